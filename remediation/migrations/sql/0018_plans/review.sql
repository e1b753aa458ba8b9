-- Refuses an approval of a suspended agent's proposal. For a reversal or a plan of a person the role of its
-- proposer counts instead. Service and gate have the same rule; this one holds for every writer of the row.
CREATE OR REPLACE FUNCTION remediation.review_agent_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record;
BEGIN
  SELECT x.agent_id, coalesce(x.planner, x.editor) AS person,
         x.reverses_id IS NOT NULL OR x.planner IS NOT NULL AS by_person INTO p
    FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  IF NOT p.by_person THEN
    IF (SELECT a.enabled FROM remediation.agent_now a WHERE a.agent_id = p.agent_id) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('agent_disabled', 'the agent is suspended');
    END IF;
  ELSIF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                     WHERE e.person = p.person AND e.active
                       AND e.role IN ('lead', 'security', 'service_owner')) THEN
    PERFORM remediation.refuse_v1('proposer_lost', 'the person who proposed it is gone or holds no role');
  END IF;
  RETURN NEW;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
