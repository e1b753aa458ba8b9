-- Transitions move the state; runs, leases and steps: one effect, started once.

CREATE FUNCTION remediation.run_deadline_v1(proposal uuid) RETURNS timestamptz LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.recorded_at + make_interval(secs => a.run_within_s)
    FROM public.remediation_transition t
    JOIN public.remediation_assessment a ON a.proposal_id = t.proposal_id AND a.round = t.round
   WHERE t.proposal_id = $1 AND t.to_state = 'approved' ORDER BY t.id DESC LIMIT 1
$$;

-- Does this run hold a live lease, with the newest token, on every target of the plan?
CREATE FUNCTION remediation.leases_held_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_execution x WHERE x.proposal_id = $1)
     AND EXISTS (SELECT 1 FROM public.remediation_proposaltarget t WHERE t.proposal_id = $1)
     AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposaltarget t
         JOIN public.remediation_execution x ON x.proposal_id = t.proposal_id
         LEFT JOIN public.remediation_lease l ON l.target = t.locator
          AND l.token = (x.tokens ->> t.locator)::bigint AND l.holder = x.holder
          AND l.until > clock_timestamp()
        WHERE t.proposal_id = $1 AND l.target IS NULL)
$$;

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
  -- A second row of one statement: the first one has not moved the state yet.
  SELECT x.to_state, x.round INTO newest FROM public.remediation_transition x
   WHERE x.proposal_id = NEW.proposal_id ORDER BY x.id DESC LIMIT 1;
  IF FOUND AND (newest.to_state IS DISTINCT FROM p.state OR newest.round IS DISTINCT FROM p.round) THEN
    PERFORM remediation.refuse_v1('transition_from', 'the proposal is moving already');
  END IF;
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, NEW.actor);
  SELECT convert_from(x.body, 'UTF8')::jsonb INTO e FROM audit.entry x WHERE x.id = NEW.entry;
  IF e -> 'data' ->> 'from' IS DISTINCT FROM NEW.from_state
     OR e -> 'data' ->> 'to' IS DISTINCT FROM NEW.to_state THEN
    PERFORM remediation.refuse_v1('transition_entry', 'the audit entry names another move');
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
    -- Expiry is never early: an approval cannot be taken away by calling it late.
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
CREATE TRIGGER c_guard BEFORE INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER c_guard;

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

-- The lease: the worker's compare-and-set. A token only grows, and every new holder gets a new one.
CREATE FUNCTION remediation.lease_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.until > clock_timestamp() + interval '10 minutes' THEN
    PERFORM remediation.refuse_v1('lease_length', 'a lease lasts at most ten minutes');
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF NEW.target <> OLD.target OR NEW.token < OLD.token
       OR (NEW.holder <> OLD.holder AND NEW.token = OLD.token) THEN
      PERFORM remediation.refuse_v1('lease_token', 'a new holder needs a new token');
    END IF;
    IF NEW.token > OLD.token AND OLD.until > clock_timestamp() THEN
      PERFORM remediation.refuse_v1('lease_live', 'the lease is still held');
    END IF;
    -- A worker that slept past its lease cannot bring it back; it has to ask anew.
    IF NEW.token = OLD.token AND OLD.until <= clock_timestamp() AND NEW.until > OLD.until THEN
      PERFORM remediation.refuse_v1('lease_over', 'the lease has run out');
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON public.remediation_lease
  FOR EACH ROW EXECUTE FUNCTION remediation.lease_v1();
ALTER TABLE public.remediation_lease ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON public.remediation_lease
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_lease ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION remediation.execution_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = NEW.proposal_id AND p.state = 'approved') THEN
    PERFORM remediation.refuse_v1('execution_state', 'only an approved proposal runs');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_execution
  FOR EACH ROW EXECUTE FUNCTION remediation.execution_v1();
ALTER TABLE public.remediation_execution ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION remediation.step_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE x record; l record; before text[];
BEGIN
  SELECT e.proposal_id, p.state INTO x FROM public.remediation_execution e
    JOIN public.remediation_proposal p ON p.id = e.proposal_id WHERE e.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(x.proposal_id);
  SELECT p.state INTO x.state FROM public.remediation_proposal p WHERE p.id = x.proposal_id;
  IF x.state NOT IN ('executing', 'unknown') THEN
    PERFORM remediation.refuse_v1('step_state', 'the proposal is not being executed');
  END IF;
  SELECT k.token, k.until INTO l FROM public.remediation_proposaltarget t
    JOIN public.remediation_lease k ON k.target = t.locator
   WHERE t.proposal_id = x.proposal_id AND t.step = NEW.step;
  -- A worker that comes back after its lease writes nothing.
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
    -- What is being given up or undone is not carried further.
    IF EXISTS (SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
                  AND s.phase NOT IN ('intended', 'applied', 'verified')) THEN
      PERFORM remediation.refuse_v1('step_order', 'the run is ending');
    END IF;
  ELSIF (NEW.phase IN ('applied', 'failed', 'unknown', 'undo_intended') AND NOT 'intended' = ANY (before))
     OR (NEW.phase = 'verified' AND NOT 'applied' = ANY (before))
     OR (NEW.phase IN ('undone', 'undo_failed') AND NOT 'undo_intended' = ANY (before)) THEN
    PERFORM remediation.refuse_v1('step_order', 'a phase came before the one that it follows');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_steprecord
  FOR EACH ROW EXECUTE FUNCTION remediation.step_v1();
ALTER TABLE public.remediation_steprecord ENABLE ALWAYS TRIGGER guard;

-- The same table as INCIDENT_EDGES in remediation/domain/states.py (a test compares them).
CREATE FUNCTION remediation.incident_edge_v1(source text, target text, login text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM (VALUES
    ('open',      'contained', 'hitl_worker'),
    ('open',      'closed',    'hitl_web'),
    ('contained', 'closed',    'hitl_web')
  ) AS e(s, t, l) WHERE e.s = $1 AND e.t = $2 AND e.l = $3)
$$;

-- Contained by the worker after a verified remediation; closed by a person, with a reason.
CREATE FUNCTION remediation.incident_transition_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT remediation.incident_edge_v1(NEW.from_state, NEW.to_state, current_user::text) THEN
    PERFORM remediation.refuse_v1('incident_edge',
      format('%s may not move an incident from %s to %s', current_user, NEW.from_state, NEW.to_state));
  END IF;
  IF NEW.to_state = 'closed' AND (NEW.outcome NOT IN ('false_positive', 'accepted', 'handled_outside', 'contained')
       OR length(btrim(NEW.reason)) < 10 OR NEW.actor NOT LIKE 'person:%') THEN
    PERFORM remediation.refuse_v1('incident_reason', 'a person closes an incident, with outcome and reason');
  END IF;
  IF NEW.from_state = 'contained' AND NOT EXISTS (
       SELECT 1 FROM public.remediation_incidenttransition t
        WHERE t.incident_id = NEW.incident_id AND t.to_state = 'contained') THEN
    PERFORM remediation.refuse_v1('incident_from', 'the incident is not contained');
  END IF;
  IF NEW.from_state = 'open' AND NEW.to_state = 'closed' AND EXISTS (
       SELECT 1 FROM public.remediation_incidenttransition t WHERE t.incident_id = NEW.incident_id) THEN
    PERFORM remediation.refuse_v1('incident_from', 'the incident is not open');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_incidenttransition
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_transition_v1();
ALTER TABLE public.remediation_incidenttransition ENABLE ALWAYS TRIGGER guard;

-- Nobody calls a guard by hand: only the functions named in hitlportal/sql/grants.sql are granted.
DO $$
DECLARE f text;
BEGIN
  FOR f IN SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'remediation'::regnamespace LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
