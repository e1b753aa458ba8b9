ALTER TABLE public.remediation_review DROP CONSTRAINT review_size;
ALTER TABLE public.remediation_reviewsession DROP CONSTRAINT review_session_size;
ALTER TABLE public.remediation_halt DROP CONSTRAINT halt_size;
ALTER TABLE public.remediation_haltsession DROP CONSTRAINT halt_session_size;
-- Back to a halt without a signature (0014).
DROP TRIGGER halt ON public.remediation_steprecord;
DROP FUNCTION remediation.step_halt_v2();
DROP TRIGGER guard ON public.remediation_haltverdict;
DROP FUNCTION remediation.halt_verdict_v1();
DROP TRIGGER guard ON public.remediation_halt;
DROP FUNCTION remediation.halt_v2();
DROP TRIGGER guard ON public.remediation_haltsession;
DROP FUNCTION remediation.halt_session_v1();
DROP FUNCTION remediation.halt_statement_v1(uuid, uuid, bytea);
DROP TRIGGER append_only ON public.remediation_haltverdict;
DROP TRIGGER a_fact ON public.remediation_haltverdict;
DROP TRIGGER append_only ON public.remediation_haltsession;
DROP TRIGGER a_fact ON public.remediation_haltsession;

CREATE FUNCTION remediation.halt_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record; begun integer; steps integer; why text;
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  SELECT x.state, x.round INTO p FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  IF p.state IS DISTINCT FROM 'executing' THEN
    PERFORM remediation.refuse_v1('halt_state', 'only a run that goes on is halted');
  END IF;
  IF length(btrim(NEW.reason)) < 10 THEN
    PERFORM remediation.refuse_v1('halt_reason', 'a halt needs a reason');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.proposal_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('halt_separation', why);
  END IF;
  -- A lead, or who could have filled a slot of the round.
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                   JOIN public.remediation_assessment a
                     ON a.proposal_id = NEW.proposal_id AND a.round = p.round
                  WHERE e.person = NEW.person AND e.active
                    AND (e.role = 'lead' OR (e.role IN ('security', 'service_owner')
                                             AND (a.slots ? 'any' OR a.slots ? e.role)))) THEN
    PERFORM remediation.refuse_v1('halt_entitlement', 'an approver of the proposal, or a lead');
  END IF;
  -- A halt that can stop nothing is refused: nobody is to believe that it stopped something.
  SELECT count(*) INTO steps FROM public.remediation_proposaltarget t
   WHERE t.proposal_id = NEW.proposal_id;
  SELECT count(*) INTO begun FROM public.remediation_steprecord s
    JOIN public.remediation_execution x ON x.id = s.execution_id
   WHERE x.proposal_id = NEW.proposal_id AND s.phase = 'intended';
  IF begun >= steps OR EXISTS (
       SELECT 1 FROM public.remediation_steprecord s
         JOIN public.remediation_execution x ON x.id = s.execution_id
        WHERE x.proposal_id = NEW.proposal_id
          AND s.phase NOT IN ('intended', 'applied', 'verified')) THEN
    PERFORM remediation.refuse_v1('halt_late', 'no step is left that has not begun');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_halt
  FOR EACH ROW EXECUTE FUNCTION remediation.halt_v1();
ALTER TABLE public.remediation_halt ENABLE ALWAYS TRIGGER guard;

-- Beside the freeze and the deadline (step_v1, which holds the lock by now): no step of a halted
-- run begins. What is undone is not held up.
CREATE FUNCTION remediation.step_halt_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE halted uuid;
BEGIN
  SELECT x.proposal_id INTO halted FROM public.remediation_execution x WHERE x.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(halted);
  IF NEW.phase = 'intended' AND EXISTS (
       SELECT 1 FROM public.remediation_halt h WHERE h.proposal_id = halted) THEN
    PERFORM remediation.refuse_v1('halted', 'a person halted this run');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER halt BEFORE INSERT ON public.remediation_steprecord
  FOR EACH ROW EXECUTE FUNCTION remediation.step_halt_v1();
ALTER TABLE public.remediation_steprecord ENABLE ALWAYS TRIGGER halt;

REVOKE EXECUTE ON FUNCTION remediation.halt_v1(), remediation.step_halt_v1() FROM PUBLIC;
