-- Plans of people, and the alternatives of a choice, of which at most one is approved.

-- The token by which the agent reported the newest diagnosis of its own in this incident, from the report's
-- entry. Its life decides which of the agent's people may not decide (separation of duties).
CREATE FUNCTION remediation.diagnosis_token_v1(incident uuid, agent uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.id
    FROM (SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' ->> 'token' AS token
            FROM public.remediation_diagnosis d JOIN audit.entry e ON e.id = d.entry
           WHERE d.incident_id = $1 AND d.agent_id = $2 AND d.editor IS NULL
           ORDER BY d.version DESC LIMIT 1) AS said
    JOIN public.remediation_agenttoken t ON t.id::text = said.token AND t.agent_id = $2
$$;

-- How many plans of this person can still run.
CREATE FUNCTION remediation.open_plans_v1(person uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) FROM public.remediation_proposal p
   WHERE p.planner = $1
     AND p.state IN ('submitted', 'in_review', 'approved', 'executing', 'waiting', 'unknown')
$$;

-- A plan of a person: an approver or a lead makes it for the newest diagnosis of an incident. The person's
-- role counts instead of the state of the agent, so only a real one may be marked as one. It keeps the agent
-- and the token of the diagnosis: the agent's people still cannot decide. A new version that other people
-- made (a correction) keeps the planner.
CREATE FUNCTION remediation.plan_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE old record; newest record; said jsonb;
BEGIN
  SELECT p.planner, p.state INTO old FROM public.remediation_proposal p WHERE p.id = NEW.supersedes_id;
  IF NEW.planner IS NULL THEN
    IF old.planner IS NOT NULL THEN
      PERFORM remediation.refuse_v1('plan_kept', 'what follows a plan of a person is a plan of a person');
    END IF;
    RETURN NEW;
  END IF;
  SELECT convert_from(e.body, 'UTF8')::jsonb INTO said FROM audit.entry e WHERE e.id = NEW.entry;
  IF said -> 'data' ->> 'planner' IS DISTINCT FROM NEW.planner::text THEN
    PERFORM remediation.refuse_v1('plan_entry', 'the audit entry does not name the planner');
  END IF;
  IF old.state = 'superseded' AND old.planner = NEW.planner THEN
    RETURN NEW;
  END IF;
  IF NEW.editor IS DISTINCT FROM NEW.planner OR NEW.reverses_id IS NOT NULL OR NEW.choice_id IS NOT NULL THEN
    PERFORM remediation.refuse_v1('plan_person', 'a person plans alone, and neither a reversal nor an alternative');
  END IF;
  IF remediation.incident_state_v1(NEW.incident_id) = 'closed' THEN
    PERFORM remediation.refuse_v1('plan_incident', 'the incident is closed');
  END IF;
  SELECT d.id, d.agent_id INTO newest FROM public.remediation_diagnosis d
   WHERE d.incident_id = NEW.incident_id ORDER BY d.version DESC LIMIT 1;
  IF NEW.diagnosis_id IS DISTINCT FROM newest.id THEN
    PERFORM remediation.refuse_v1('plan_diagnosis', 'a plan rests on the newest diagnosis');
  END IF;
  IF NEW.agent_id IS DISTINCT FROM newest.agent_id
     OR NEW.token_id IS DISTINCT FROM remediation.diagnosis_token_v1(NEW.incident_id, NEW.agent_id) THEN
    PERFORM remediation.refuse_v1('plan_agent', 'a plan keeps the agent and the token of the diagnosis');
  END IF;
  IF NOT remediation.incident_entitled_v1('person:' || NEW.planner) THEN
    PERFORM remediation.refuse_v1('plan_entitlement', 'only an approver or a lead makes a plan');
  END IF;
  -- With REPEATABLE READ an older snapshot would hide plans that count.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    PERFORM remediation.refuse_v1('isolation', 'plans are counted in READ COMMITTED');
  END IF;
  -- Two plans of one person at the same time wait for each other, else both would be the last one.
  PERFORM pg_advisory_xact_lock(hashtextextended('plans:' || NEW.planner, 0));
  IF remediation.open_plans_v1(NEW.planner) >= 10 THEN
    PERFORM remediation.refuse_v1('plan_limit', 'at most 10 open plans of one person');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER plan BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.plan_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER plan;

-- A choice groups the alternatives of one report of an agent.
CREATE FUNCTION remediation.choice_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, 'agent:' || NEW.agent_id);
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_choice
  FOR EACH ROW EXECUTE FUNCTION remediation.choice_v1();
ALTER TABLE public.remediation_choice ENABLE ALWAYS TRIGGER guard;

ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_alternative CHECK ((choice_id IS NULL) = (alternative IS NULL)
    AND coalesce(alternative BETWEEN 1 AND 3, true));

-- The alternatives of a choice come with it, each number once. A new version takes the place of the one that
-- it supersedes, and cannot leave the choice: what is approved beside it would not see it.
CREATE FUNCTION remediation.alternative_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE old record;
BEGIN
  SELECT p.choice_id, p.alternative INTO old FROM public.remediation_proposal p
   WHERE p.id = NEW.supersedes_id AND p.state = 'superseded' AND p.choice_id IS NOT NULL;
  IF FOUND THEN
    IF NEW.choice_id IS DISTINCT FROM old.choice_id OR NEW.alternative IS DISTINCT FROM old.alternative THEN
      PERFORM remediation.refuse_v1('choice_kept', 'a new version of an alternative stays in its choice');
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.choice_id IS NOT NULL AND (NEW.editor IS NOT NULL OR NOT EXISTS (
       SELECT 1 FROM public.remediation_choice c JOIN audit.entry e ON e.id = c.entry
        WHERE c.id = NEW.choice_id AND c.incident_id = NEW.incident_id AND c.agent_id = NEW.agent_id
          AND e.txid = pg_current_xact_id())
     OR EXISTS (SELECT 1 FROM public.remediation_proposal p
                 WHERE p.choice_id = NEW.choice_id AND p.alternative = NEW.alternative)) THEN
    PERFORM remediation.refuse_v1('choice_member', 'alternatives come from one report, each number once');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER alternative BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.alternative_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER alternative;

-- Returns whether another alternative of the choice was approved once: then this one never is.
CREATE FUNCTION remediation.taken_v1(choice uuid, alternative integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_transition t
                   JOIN public.remediation_proposal p ON p.id = t.proposal_id
                  WHERE p.choice_id = $1 AND p.alternative <> $2 AND t.to_state = 'approved')
$$;

-- Returns whether people returned another alternative because none of them fits; the worker verified it.
CREATE FUNCTION remediation.declined_v1(choice uuid, alternative integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_transition t
                   JOIN public.remediation_proposal p ON p.id = t.proposal_id
                  WHERE p.choice_id = $1 AND p.alternative <> $2
                    AND t.to_state = 'returned' AND t.reason = 'none_of_them')
$$;

-- Of a choice at most one alternative is approved or run. Its row serialises two last approvals at the same
-- instant; nobody holds it and waits for a proposal. The worker ends the others, and only these.
CREATE FUNCTION remediation.transition_choice_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record;
BEGIN
  SELECT x.choice_id, x.alternative INTO p FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  IF NEW.to_state IN ('approved', 'executing') AND p.choice_id IS NOT NULL THEN
    PERFORM 1 FROM public.remediation_choice c WHERE c.id = p.choice_id FOR NO KEY UPDATE;
    IF remediation.taken_v1(p.choice_id, p.alternative) THEN
      PERFORM remediation.refuse_v1('choice_taken', 'another alternative was approved');
    END IF;
  ELSIF NEW.to_state = 'superseded' AND NEW.actor LIKE 'worker:%'
        AND (remediation.taken_v1(p.choice_id, p.alternative)
             OR remediation.declined_v1(p.choice_id, p.alternative)) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('choice_open', 'the worker ends only the other alternatives of a choice');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER choice BEFORE INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_choice_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER choice;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
