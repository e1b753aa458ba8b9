-- Undoing a success is proposed by a person: that person has to stand, not the agent of what is
-- undone. So nothing else may be called so. That the plan is exactly what leads back from what the
-- run changed, the worker computes (gate, step 1); here: only steps that undo steps of that run.
CREATE FUNCTION remediation.reversal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE old record; done jsonb; why text;
BEGIN
  IF NEW.reverses_id IS NULL THEN
    RETURN NEW;
  END IF;
  PERFORM remediation.lock_proposal_v1(NEW.reverses_id);
  IF NEW.editor IS NULL OR NEW.supersedes_id IS NOT NULL THEN
    PERFORM remediation.refuse_v1('reversal_person', 'a person proposes to undo, and replaces nothing by it');
  END IF;
  SELECT * INTO old FROM public.remediation_proposal p WHERE p.id = NEW.reverses_id;
  IF old.state IS DISTINCT FROM 'succeeded' OR old.incident_id IS DISTINCT FROM NEW.incident_id
     OR old.diagnosis_id IS DISTINCT FROM NEW.diagnosis_id
     OR old.agent_id IS DISTINCT FROM NEW.agent_id OR old.token_id IS DISTINCT FROM NEW.token_id THEN
    PERFORM remediation.refuse_v1('reversal_of', 'only a run that succeeded is undone, in its own incident');
  END IF;
  done := convert_from(old.plan, 'UTF8')::jsonb -> 'steps';
  IF EXISTS (SELECT 1 FROM jsonb_array_elements(convert_from(NEW.plan, 'UTF8')::jsonb -> 'steps') AS n(step)
              WHERE NOT EXISTS (
                SELECT 1 FROM jsonb_array_elements(done) AS o(step)
                 WHERE o.step -> 'target' = n.step -> 'target'
                   AND o.step ->> 'rollback' = n.step ->> 'action'
                   AND o.step ->> 'action' = n.step ->> 'rollback')) THEN
    PERFORM remediation.refuse_v1('reversal_plan', 'a step undoes nothing of that run');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                  WHERE e.person = NEW.editor AND e.active
                    AND e.role IN ('lead', 'security', 'service_owner')) THEN
    PERFORM remediation.refuse_v1('reversal_entitlement', 'an approver or a lead proposes to undo');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.reverses_id) x
   WHERE x.person = NEW.editor::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('reversal_separation', why);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reversal BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.reversal_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER reversal;
REVOKE EXECUTE ON FUNCTION remediation.reversal_v1() FROM PUBLIC;
