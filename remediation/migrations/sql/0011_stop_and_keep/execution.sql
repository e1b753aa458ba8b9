-- A late result is a fact like any other.
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_lateresult
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1();
ALTER TABLE public.remediation_lateresult ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_lateresult
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_lateresult ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION remediation.applied_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM public.remediation_steprecord s
      JOIN public.remediation_execution x ON x.id = s.execution_id
     WHERE x.proposal_id = $1
       AND (s.phase = 'applied' AND NOT EXISTS (
              SELECT 1 FROM public.remediation_steprecord f
               WHERE f.execution_id = s.execution_id AND f.step = s.step AND f.phase = 'failed')
            OR s.phase = 'failed' AND s.data ->> 'refusal' IN ('partly_applied', 'verify_failed')))
$$;

CREATE FUNCTION remediation.undo_signed_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_halt h
                   JOIN public.remediation_haltverdict w ON w.halt_id = h.id AND w.refusal = ''
                  WHERE h.proposal_id = $1)
$$;

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
  ELSIF NEW.to_state IN ('failed', 'stopped') THEN
    -- failed: nothing was changed. stopped: something was, and stays.
    IF remediation.applied_v1(NEW.proposal_id) IS DISTINCT FROM (NEW.to_state = 'stopped') THEN
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
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION remediation.step_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE x record; l record; before text[];
BEGIN
  SELECT e.proposal_id, p.state INTO x FROM public.remediation_execution e
    JOIN public.remediation_proposal p ON p.id = e.proposal_id WHERE e.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(x.proposal_id);
  SELECT p.state INTO x.state FROM public.remediation_proposal p WHERE p.id = x.proposal_id;
  IF NOT (x.state IN ('executing', 'unknown')
          OR x.state = 'stopped' AND NEW.phase IN ('undo_intended', 'undone', 'undo_failed')) THEN
    PERFORM remediation.refuse_v1('step_state', 'the proposal is not being executed');
  END IF;
  -- Only people give access back (promise 11): whoever has the worker's login cannot begin it alone.
  IF NEW.phase LIKE 'undo%' AND NOT remediation.undo_signed_v1(x.proposal_id) THEN
    PERFORM remediation.refuse_v1('undo_unsigned', 'nobody signed that this run is undone');
  END IF;
  SELECT k.token, k.until INTO l FROM public.remediation_proposaltarget t
    JOIN public.remediation_lease k ON k.target = t.locator
   WHERE t.proposal_id = x.proposal_id AND t.step = NEW.step;
  -- A worker that comes back after the end of its lease writes nothing.
  IF l IS NULL OR l.token <> NEW.token OR l.until <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('stale_token', 'the lease on the target is not held with this token');
  END IF;
  SELECT coalesce(array_agg(s.phase::text), '{}') INTO before FROM public.remediation_steprecord s
   WHERE s.execution_id = NEW.execution_id AND s.step = NEW.step;
  IF NEW.phase = 'intended' THEN
    IF x.state <> 'executing' THEN
      PERFORM remediation.refuse_v1('step_state', 'the proposal is not being executed');
    END IF;
    IF remediation.frozen_v1() THEN
      PERFORM remediation.refuse_v1('frozen', 'all execution is frozen');
    END IF;
    IF (remediation.run_deadline_v1(x.proposal_id) > clock_timestamp()) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('deadline', 'the time to run has passed');
    END IF;
    IF NEW.step > 0 AND NOT EXISTS (
         SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
            AND s.step = NEW.step - 1 AND s.phase = 'verified') THEN
      PERFORM remediation.refuse_v1('step_order', 'the step before is not verified');
    END IF;
    -- A run that is ending or being undone begins no further step.
    IF EXISTS (SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
                  AND s.phase NOT IN ('intended', 'applied', 'verified')) THEN
      PERFORM remediation.refuse_v1('step_order', 'the run is ending');
    END IF;
  ELSIF (NEW.phase IN ('applied', 'failed', 'unknown') AND NOT 'intended' = ANY (before))
     OR (NEW.phase IN ('verified', 'unconfirmed') AND NOT 'applied' = ANY (before))
     OR (NEW.phase IN ('undo_intended', 'undo_failed') AND NOT before && '{applied,failed}')
     OR (NEW.phase = 'undone' AND NOT 'undo_intended' = ANY (before)) THEN
    PERFORM remediation.refuse_v1('step_order', 'a phase came before the one that it follows');
  ELSIF (NEW.phase IN ('failed', 'unknown') AND 'applied' = ANY (before))
     OR (NEW.phase = 'applied' AND 'failed' = ANY (before))
     OR (NEW.phase = 'unconfirmed' AND 'verified' = ANY (before))
     OR (NEW.phase = 'verified' AND 'unconfirmed' = ANY (before))
     OR (NEW.phase = 'undone' AND 'undo_failed' = ANY (before))
     OR (NEW.phase LIKE 'undo\_%' AND 'undone' = ANY (before)) THEN
    PERFORM remediation.refuse_v1('step_order', 'a phase contradicts one on record');
  END IF;
  RETURN NEW;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
