-- A person proposes the reversal of a run that succeeded, or stopped and kept; the person must hold a role, and the state of
-- the agent does not matter. So only a real reversal may be marked as one: here each step must reverse a
-- step of that run, and the worker verifies that the plan is exactly the inverse (gate, step 1).
CREATE OR REPLACE FUNCTION remediation.reversal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE old record; done jsonb; why text;
BEGIN
  IF NEW.reverses_id IS NULL THEN
    RETURN NEW;
  END IF;
  PERFORM remediation.lock_proposal_v1(NEW.reverses_id);
  IF NEW.editor IS NULL OR NEW.supersedes_id IS NOT NULL THEN
    PERFORM remediation.refuse_v1('reversal_person', 'a reversal is proposed by a person and supersedes nothing');
  END IF;
  SELECT * INTO old FROM public.remediation_proposal p WHERE p.id = NEW.reverses_id;
  IF (old.state IN ('succeeded', 'stopped')) IS NOT TRUE OR old.incident_id IS DISTINCT FROM NEW.incident_id
     OR old.diagnosis_id IS DISTINCT FROM NEW.diagnosis_id
     OR old.agent_id IS DISTINCT FROM NEW.agent_id OR old.token_id IS DISTINCT FROM NEW.token_id THEN
    PERFORM remediation.refuse_v1('reversal_of', 'only a run that succeeded or stopped can be reversed, in its own incident');
  END IF;
  done := convert_from(old.plan, 'UTF8')::jsonb -> 'steps';
  IF EXISTS (SELECT 1 FROM jsonb_array_elements(convert_from(NEW.plan, 'UTF8')::jsonb -> 'steps') AS n(step)
              WHERE NOT EXISTS (
                SELECT 1 FROM jsonb_array_elements(done) AS o(step)
                 WHERE o.step -> 'target' = n.step -> 'target'
                   AND o.step ->> 'rollback' = n.step ->> 'action'
                   AND o.step ->> 'action' = n.step ->> 'rollback')) THEN
    PERFORM remediation.refuse_v1('reversal_plan', 'a step does not undo a step of that run');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                  WHERE e.person = NEW.editor AND e.active
                    AND e.role IN ('lead', 'security', 'service_owner')) THEN
    PERFORM remediation.refuse_v1('reversal_entitlement', 'only an approver or a lead may propose a reversal');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.reverses_id) x
   WHERE x.person = NEW.editor::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('reversal_separation', why);
  END IF;
  RETURN NEW;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
