-- The states of a proposal: which moves exist, which logins may make them, and how a state moves.

ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_state_known CHECK (state::text IN (
    'submitted', 'in_review', 'approved', 'executing', 'waiting', 'succeeded', 'failed', 'stopped', 'rolled_back',
    'unknown', 'rejected', 'returned', 'withdrawn', 'superseded', 'expired', 'refused'));

-- Which login may make which move. Data, not code: hitl_owner fills it after every migrate from
-- remediation/domain/states.py (remediation/declarations.py), and `check --deploy` compares.
CREATE TABLE remediation.edge (
  subject    text NOT NULL,
  from_state text NOT NULL,
  to_state   text NOT NULL,
  login      text NOT NULL,
  PRIMARY KEY (subject, from_state, to_state, login),
  CONSTRAINT edge_subject CHECK (subject IN ('proposal', 'incident'))
);
-- Guards rely on this table, so only the owner's login may write it, whatever was granted.
CREATE TRIGGER no_rewrite BEFORE UPDATE OR TRUNCATE ON remediation.edge
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
CREATE TRIGGER owner_only BEFORE INSERT OR DELETE ON remediation.edge
  FOR EACH STATEMENT WHEN (current_user <> 'hitl_owner') EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE remediation.edge ENABLE ALWAYS TRIGGER no_rewrite;
ALTER TABLE remediation.edge ENABLE ALWAYS TRIGGER owner_only;

-- Returns whether this login may make this move of a proposal; a move not in the table is refused.
CREATE FUNCTION remediation.edge_v1(source text, target text, login text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM remediation.edge e
                  WHERE e.subject = 'proposal' AND e.from_state = $1 AND e.to_state = $2 AND e.login = $3)
$$;

-- The same for an incident.
CREATE FUNCTION remediation.incident_edge_v1(source text, target text, login text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM remediation.edge e
                  WHERE e.subject = 'incident' AND e.from_state = $1 AND e.to_state = $2 AND e.login = $3)
$$;

-- Locks a proposal until the transaction ends; every decision about it begins with this. A function,
-- because SELECT ... FOR UPDATE needs a privilege that the web login lacks.
CREATE FUNCTION remediation.lock_proposal_v1(proposal uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- With REPEATABLE READ an older snapshot would hide a rejection, a freeze or a lease that was committed
  -- while this transaction waited for the lock.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    PERFORM remediation.refuse_v1('isolation', 'decisions are made in READ COMMITTED');
  END IF;
  -- NO KEY: rows that only refer to the proposal by a foreign key do not wait for a decision.
  PERFORM 1 FROM public.remediation_proposal p WHERE p.id = $1 FOR NO KEY UPDATE;
END $$;

-- Refuses a move that this login may not make. An invoker function, because in a definer function
-- current_user is the owner.
CREATE FUNCTION remediation.transition_login_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT remediation.edge_v1(NEW.from_state, NEW.to_state, current_user::text) THEN
    PERFORM remediation.refuse_v1('transition_edge',
      format('%s may not move a proposal from %s to %s', current_user, NEW.from_state, NEW.to_state));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER b_login BEFORE INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_login_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER b_login;

-- Refuses a move unless it meets its requirements besides the login: assessment, reviews, deadline,
-- leases, verified steps.
CREATE FUNCTION remediation.transition_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER c_guard BEFORE INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER c_guard;

-- Moves the state, and requests the run of an approved proposal, in the transition's transaction.
CREATE FUNCTION remediation.transition_move_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE public.remediation_proposal SET state = NEW.to_state, round = NEW.round
   WHERE id = NEW.proposal_id;
  IF NEW.to_state = 'approved' THEN
    INSERT INTO public.remediation_outboxmessage (proposal_id, kind, round, recorded_at)
    VALUES (NEW.proposal_id, 'execute', NEW.round, clock_timestamp());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER move AFTER INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_move_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER move;

-- Refuses changes of a proposal except of state and round, inside the transition's trigger, to the values
-- of the newest transition.
CREATE FUNCTION remediation.proposal_update_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE t record;
BEGIN
  SELECT x.to_state, x.round INTO t FROM public.remediation_transition x
   WHERE x.proposal_id = OLD.id ORDER BY x.id DESC LIMIT 1;
  IF pg_trigger_depth() < 2 OR t IS NULL OR t.to_state <> NEW.state OR t.round <> NEW.round
     OR (to_jsonb(NEW) - 'state' - 'round') <> (to_jsonb(OLD) - 'state' - 'round') THEN
    RAISE EXCEPTION 'UPDATE on remediation_proposal refused: a state moves by a transition'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_update BEFORE UPDATE ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_update_v1();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON public.remediation_proposal
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
-- Also an UPDATE of no row, ON CONFLICT DO UPDATE and MERGE: only from inside a trigger.
CREATE TRIGGER append_only_update BEFORE UPDATE ON public.remediation_proposal
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER guard_update;
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER append_only_update;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
