-- Incidents: their diagnosis, and the moves of their state.

ALTER TABLE public.remediation_diagnosis
  ADD CONSTRAINT diagnosis_digest CHECK (digest = remediation.digest_v1('diagnosis', body));

-- The entry of a diagnosis that a person corrected names the person; that of an agent's the agent.
CREATE FUNCTION remediation.diagnosis_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id,
    coalesce('person:' || NEW.editor, 'agent:' || NEW.agent_id));
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_diagnosis
  FOR EACH ROW EXECUTE FUNCTION remediation.diagnosis_v1();
ALTER TABLE public.remediation_diagnosis ENABLE ALWAYS TRIGGER guard;

-- An incident is contained by the worker after a verified remediation, and closed by a person with a
-- reason. An invoker function, for its current_user.
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

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
