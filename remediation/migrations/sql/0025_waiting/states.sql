ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_state_known;
ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_state_known CHECK (state::text IN (
    'submitted', 'in_review', 'approved', 'executing', 'waiting', 'succeeded', 'failed', 'stopped', 'rolled_back',
    'unknown', 'rejected', 'returned', 'withdrawn', 'superseded', 'expired', 'refused'));

-- Refuses a move unless it meets its requirements besides the login: assessment, reviews, deadline,
-- leases, verified steps.
CREATE OR REPLACE FUNCTION remediation.transition_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record; newest record; e jsonb; steps integer; done integer;
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  SELECT x.state, x.round, x.recorded_at INTO p FROM public.remediation_proposal x
   WHERE x.id = NEW.proposal_id;
  IF p.state IS DISTINCT FROM NEW.from_state THEN
    PERFORM remediation.refuse_v1('transition_from',
      format('the proposal is %s, not %s', p.state, NEW.from_state));
  END IF;
  -- For the second row of one statement: the first row has not moved the state yet.
  SELECT x.to_state, x.round INTO newest FROM public.remediation_transition x
   WHERE x.proposal_id = NEW.proposal_id ORDER BY x.id DESC LIMIT 1;
  IF FOUND AND (newest.to_state IS DISTINCT FROM p.state OR newest.round IS DISTINCT FROM p.round) THEN
    PERFORM remediation.refuse_v1('transition_from', 'another transition of the proposal is under way');
  END IF;
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, NEW.actor);
  SELECT convert_from(x.body, 'UTF8')::jsonb INTO e FROM audit.entry x WHERE x.id = NEW.entry;
  IF e -> 'data' ->> 'from' IS DISTINCT FROM NEW.from_state
     OR e -> 'data' ->> 'to' IS DISTINCT FROM NEW.to_state THEN
    PERFORM remediation.refuse_v1('transition_entry', 'the audit entry names another transition');
  END IF;
  NEW.round := p.round;
  IF NEW.to_state = 'in_review' THEN
    NEW.round := p.round + 1;
    IF NOT EXISTS (SELECT 1 FROM public.remediation_assessment a
                    WHERE a.proposal_id = NEW.proposal_id AND a.round = NEW.round) THEN
      PERFORM remediation.refuse_v1('transition_assessment', 'a round begins with an assessment');
    END IF;
  ELSIF NEW.to_state = 'approved' THEN
    PERFORM remediation.quorum_v1(NEW.proposal_id, p.round);
  ELSIF NEW.to_state IN ('rejected', 'returned') THEN
    IF NOT EXISTS (SELECT 1 FROM public.remediation_review r
                    WHERE r.proposal_id = NEW.proposal_id AND r.round = p.round
                      AND r.decision = CASE NEW.to_state WHEN 'rejected' THEN 'reject' ELSE 'return' END) THEN
      PERFORM remediation.refuse_v1('transition_review', 'nobody decided that in this round');
    END IF;
  ELSIF NEW.to_state = 'expired' THEN
    -- A proposal never expires early: nobody can end an approval by calling it late.
    IF (clock_timestamp() >= (CASE p.state
         WHEN 'submitted' THEN p.recorded_at + interval '24 hours'
         WHEN 'in_review' THEN (SELECT a.decide_by FROM public.remediation_assessment a
                                 WHERE a.proposal_id = NEW.proposal_id AND a.round = p.round)
         ELSE remediation.run_deadline_v1(NEW.proposal_id) END)) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('transition_early', 'the deadline has not passed');
    END IF;
  ELSIF NEW.to_state = 'executing' THEN
    IF remediation.frozen_v1() THEN
      PERFORM remediation.refuse_v1('frozen', 'all execution is frozen');
    END IF;
    IF (remediation.run_deadline_v1(NEW.proposal_id) > clock_timestamp()) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('deadline', 'the time to run has passed');
    END IF;
    IF NOT remediation.leases_held_v1(NEW.proposal_id) THEN
      PERFORM remediation.refuse_v1('stale_token', 'the leases on the targets are not held');
    END IF;
    IF NEW.from_state = 'waiting' THEN
      PERFORM remediation.refuse_held_v1(NEW.proposal_id, true);
    END IF;
  ELSIF NEW.to_state = 'waiting' THEN
    PERFORM remediation.refuse_no_wait_v1(NEW.proposal_id);
  ELSIF NEW.to_state IN ('failed', 'stopped') THEN
    -- failed: nothing was changed. stopped: something was, and stays; or people say so of an unknown run.
    IF remediation.applied_v1(NEW.proposal_id) IS DISTINCT FROM (NEW.to_state = 'stopped')
       AND NOT (NEW.from_state = 'unknown' AND NEW.to_state = 'stopped') THEN
      PERFORM remediation.refuse_v1('transition_applied',
        format('the record of the steps says something else than %s', NEW.to_state));
    END IF;
  ELSIF NEW.to_state = 'rolled_back' THEN
    -- Only people give access back (promise 11).
    IF NOT remediation.undo_signed_v1(NEW.proposal_id) THEN
      PERFORM remediation.refuse_v1('undo_unsigned', 'nobody signed that this run is undone');
    END IF;
    IF EXISTS (
         SELECT 1 FROM public.remediation_steprecord s
           JOIN public.remediation_execution x ON x.id = s.execution_id
          WHERE x.proposal_id = NEW.proposal_id AND s.phase = 'applied'
            AND NOT EXISTS (SELECT 1 FROM public.remediation_steprecord u
                             WHERE u.execution_id = s.execution_id AND u.step = s.step AND u.phase = 'undone')) THEN
      PERFORM remediation.refuse_v1('transition_applied', 'a step is applied and not undone');
    END IF;
  ELSIF NEW.to_state = 'succeeded' THEN
    SELECT count(*) INTO steps FROM public.remediation_proposaltarget t WHERE t.proposal_id = NEW.proposal_id;
    SELECT count(*) INTO done FROM public.remediation_steprecord s
      JOIN public.remediation_execution x ON x.id = s.execution_id
     WHERE x.proposal_id = NEW.proposal_id AND s.phase = 'verified';
    IF done <> steps THEN
      PERFORM remediation.refuse_v1('transition_unverified', 'not every step is verified');
    END IF;
    IF NEW.from_state = 'waiting' THEN
      PERFORM remediation.refuse_held_v1(NEW.proposal_id, true);
    END IF;
  END IF;
  RETURN NEW;
END $$;
