-- A diagnosis that a person corrected: its entry names the person, that of an agent's the agent.
CREATE FUNCTION remediation.diagnosis_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id,
    coalesce('person:' || NEW.editor, 'agent:' || NEW.agent_id));
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION remediation.diagnosis_v1() FROM PUBLIC;

DROP TRIGGER a_fact ON public.remediation_diagnosis;
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_diagnosis
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1();
ALTER TABLE public.remediation_diagnosis ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_diagnosis
  FOR EACH ROW EXECUTE FUNCTION remediation.diagnosis_v1();
ALTER TABLE public.remediation_diagnosis ENABLE ALWAYS TRIGGER guard;
