-- A proposal begins as submitted, for the incident of its diagnosis, by an enabled agent with a token
-- of its own that has not ended, or by a person.
CREATE OR REPLACE FUNCTION remediation.proposal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.state <> 'submitted' OR NEW.round <> 0 THEN
    PERFORM remediation.refuse_v1('proposal_first_state', 'a proposal begins as submitted, round 0');
  END IF;
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.id,
    coalesce('person:' || NEW.editor, 'agent:' || NEW.agent_id));
  IF NOT EXISTS (SELECT 1 FROM public.remediation_diagnosis d
                  WHERE d.id = NEW.diagnosis_id AND d.incident_id = NEW.incident_id) THEN
    PERFORM remediation.refuse_v1('proposal_diagnosis', 'the diagnosis is of another incident');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM public.remediation_agenttoken t
                  WHERE t.id = NEW.token_id AND t.agent_id = NEW.agent_id) THEN
    PERFORM remediation.refuse_v1('proposal_token', 'the token is of another agent');
  END IF;
  IF NEW.editor IS NULL AND NOT EXISTS (
       SELECT 1 FROM public.remediation_agenttoken t
         JOIN remediation.agent_now a ON a.agent_id = t.agent_id AND a.enabled
        WHERE t.id = NEW.token_id AND t.expires_at > clock_timestamp()
          AND NOT EXISTS (SELECT 1 FROM public.remediation_agenttokenrevocation r WHERE r.token_id = t.id)) THEN
    PERFORM remediation.refuse_v1('proposal_agent', 'the agent is disabled, or its token has ended');
  END IF;
  IF NEW.supersedes_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposal p
        WHERE p.id = NEW.supersedes_id AND p.incident_id = NEW.incident_id
          AND p.state NOT IN ('submitted', 'in_review', 'approved', 'executing', 'waiting', 'unknown')) THEN
    PERFORM remediation.refuse_v1('proposal_supersedes', 'the superseded proposal is still open');
  END IF;
  RETURN NEW;
END $$;
