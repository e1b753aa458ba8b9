DROP TRIGGER choice ON public.remediation_transition;
DROP TRIGGER alternative ON public.remediation_proposal;
DROP TRIGGER plan ON public.remediation_proposal;
ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_alternative;
DROP TRIGGER guard ON public.remediation_choice;
DROP TRIGGER append_only ON public.remediation_choice;
DROP TRIGGER a_fact ON public.remediation_choice;
DROP FUNCTION remediation.transition_choice_v1();
DROP FUNCTION remediation.declined_v1(uuid, integer);
DROP FUNCTION remediation.taken_v1(uuid, integer);
DROP FUNCTION remediation.alternative_v1();
DROP FUNCTION remediation.choice_v1();
DROP FUNCTION remediation.plan_v1();
DROP FUNCTION remediation.open_plans_v1(uuid);
DROP FUNCTION remediation.diagnosis_token_v1(uuid, uuid);

-- Refuses an approval of a suspended agent's proposal; for a reversal the state of its proposer counts
-- instead. Service and gate have the same rule; this one holds for every writer of the row.
CREATE OR REPLACE FUNCTION remediation.review_agent_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record;
BEGIN
  SELECT x.agent_id, x.editor, x.reverses_id INTO p
    FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  IF p.reverses_id IS NULL THEN
    IF (SELECT a.enabled FROM remediation.agent_now a WHERE a.agent_id = p.agent_id) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('agent_disabled', 'the agent is suspended');
    END IF;
  ELSIF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                     WHERE e.person = p.editor AND e.active
                       AND e.role IN ('lead', 'security', 'service_owner')) THEN
    PERFORM remediation.refuse_v1('proposer_lost',
      'the person who proposed the reversal is gone or holds no role');
  END IF;
  RETURN NEW;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
