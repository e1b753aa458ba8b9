DROP TRIGGER incident ON public.remediation_steprecord;
DROP TRIGGER incident ON public.remediation_transition;
DROP TRIGGER guard ON public.remediation_incidentlookrequest;
DROP TRIGGER guard ON public.remediation_incidentlook;
DROP TRIGGER guard ON public.remediation_incidenttransition;
DROP TRIGGER b_login ON public.remediation_incidenttransition;
DROP TRIGGER a_fact ON public.remediation_incidentlook;
DROP TRIGGER a_fact ON public.remediation_incidentlookrequest;
DROP TRIGGER a_fact ON public.remediation_incidentnotice;
DROP TRIGGER append_only ON public.remediation_incidentlook;
DROP TRIGGER append_only ON public.remediation_incidentlookrequest;
DROP TRIGGER append_only ON public.remediation_incidentnotice;
DROP FUNCTION remediation.step_incident_v1();
DROP FUNCTION remediation.transition_incident_v1();
DROP FUNCTION remediation.refuse_closed_v1(uuid);
DROP FUNCTION remediation.incident_look_request_v1();
DROP FUNCTION remediation.incident_look_v1();
DROP FUNCTION remediation.incident_transition_v2();
DROP FUNCTION remediation.refuse_confirmation_v1(uuid, bigint, text);
DROP FUNCTION remediation.incident_login_v1();
DROP FUNCTION remediation.look_holds_v1(uuid, bigint);
DROP FUNCTION remediation.acted_on_v1(uuid);
DROP FUNCTION remediation.incident_entitled_v1(text);
DROP FUNCTION remediation.incident_excluded_v1(uuid, uuid);
DROP FUNCTION remediation.incident_state_v1(uuid);
DROP FUNCTION remediation.lock_incident_v1(uuid);

CREATE OR REPLACE FUNCTION remediation.incident_transition_v1() RETURNS trigger LANGUAGE plpgsql
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
