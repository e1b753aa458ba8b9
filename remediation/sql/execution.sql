-- Runs: freeze, deadline, leases and steps. Each step is started only once.

-- Returns whether execution is frozen, by the newest row; no row means no.
CREATE FUNCTION remediation.frozen_v1() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT f.frozen FROM public.remediation_freeze f ORDER BY f.id DESC LIMIT 1), false)
$$;

-- Returns how long a run has waited between steps. That is no time to run.
CREATE FUNCTION remediation.waited_v1(proposal uuid) RETURNS interval LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(sum(coalesce(w.ended, clock_timestamp()) - w.began), interval '0')
    FROM (SELECT t.to_state, t.recorded_at AS began, lead(t.recorded_at) OVER (ORDER BY t.id) AS ended
            FROM public.remediation_transition t WHERE t.proposal_id = $1) AS w
   WHERE w.to_state = 'waiting'
$$;

-- Returns the time until which an approved proposal may run; working time counts.
CREATE FUNCTION remediation.run_deadline_v1(proposal uuid) RETURNS timestamptz LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.recorded_at + make_interval(secs => a.run_within_s) + remediation.waited_v1(t.proposal_id)
    FROM public.remediation_transition t
    JOIN public.remediation_assessment a ON a.proposal_id = t.proposal_id AND a.round = t.round
   WHERE t.proposal_id = $1 AND t.to_state = 'approved' ORDER BY t.id DESC LIMIT 1
$$;

-- Returns whether this run holds a live lease on every target of the plan: with the tokens with which it
-- began, or after a wait one that was claimed for it.
CREATE FUNCTION remediation.leases_held_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_execution x WHERE x.proposal_id = $1)
     AND EXISTS (SELECT 1 FROM public.remediation_proposaltarget t WHERE t.proposal_id = $1)
     AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposaltarget t
         JOIN public.remediation_execution x ON x.proposal_id = t.proposal_id
         LEFT JOIN public.remediation_lease l ON l.target = t.locator
          AND l.until > clock_timestamp() AND coalesce(l.proposal_id, t.proposal_id) = t.proposal_id
          AND (l.token = (x.tokens ->> t.locator)::bigint AND l.holder = x.holder
               OR l.proposal_id = t.proposal_id AND EXISTS (
                 SELECT 1 FROM public.remediation_wait w WHERE w.execution_id = x.id))
        WHERE t.proposal_id = $1 AND l.target IS NULL)
$$;

-- A lease is the worker's compare-and-set. Tokens only grow, and every new holder gets a new one.
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
    IF NEW.proposal_id IS DISTINCT FROM OLD.proposal_id THEN
      IF NEW.token = OLD.token THEN
        PERFORM remediation.refuse_v1('lease_token', 'a claim for another proposal needs a new token');
      END IF;
      -- A run that waits holds no lease, and keeps its targets.
      IF EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = OLD.proposal_id AND p.state = 'waiting') THEN
        PERFORM remediation.refuse_v1('lease_waiting', 'a run that waits keeps its targets');
      END IF;
    END IF;
    -- A worker that slept past the end of its lease cannot renew it; it must take a new one.
    IF NEW.token = OLD.token AND OLD.until <= clock_timestamp() AND NEW.until > OLD.until THEN
      PERFORM remediation.refuse_v1('lease_over', 'the lease has run out');
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON public.remediation_lease
  FOR EACH ROW EXECUTE FUNCTION remediation.lease_v1();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON public.remediation_lease
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_lease ENABLE ALWAYS TRIGGER guard;
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

-- Returns whether a step of this run changed its target, as far as the record says. A step that failed
-- changed nothing; before runs were stopped and kept, one that failed these two ways had.
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

-- Refuses a step out of order, without a live lease, too late or while execution is frozen, and a phase
-- out of order. Halts: halt.sql. Waits: waiting.sql.
CREATE FUNCTION remediation.step_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE x record; l record; before text[];
BEGIN
  SELECT e.proposal_id, p.state INTO x FROM public.remediation_execution e
    JOIN public.remediation_proposal p ON p.id = e.proposal_id WHERE e.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(x.proposal_id);
  SELECT p.state INTO x.state FROM public.remediation_proposal p WHERE p.id = x.proposal_id;
  IF NOT (x.state IN ('executing', 'unknown')
          OR x.state IN ('stopped', 'waiting') AND NEW.phase IN ('undo_intended', 'undone', 'undo_failed')) THEN
    PERFORM remediation.refuse_v1('step_state', 'the proposal is not being executed');
  END IF;
  -- Only people give access back (promise 11): whoever has the worker's login cannot begin it alone.
  IF NEW.phase LIKE 'undo%' AND NOT remediation.undo_signed_v1(x.proposal_id) THEN
    PERFORM remediation.refuse_v1('undo_unsigned', 'nobody signed that this run is undone');
  END IF;
  SELECT k.token, k.until INTO l FROM public.remediation_proposaltarget t
    JOIN public.remediation_lease k ON k.target = t.locator
     AND coalesce(k.proposal_id, t.proposal_id) = t.proposal_id
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
    IF NEW.step > 0 THEN
      PERFORM remediation.refuse_held_v1(x.proposal_id, false);
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
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_steprecord
  FOR EACH ROW EXECUTE FUNCTION remediation.step_v1();
ALTER TABLE public.remediation_steprecord ENABLE ALWAYS TRIGGER guard;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
