-- Proposals: requirements of a plan, its targets, reversals, and requests to observe again.

ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_digest CHECK (plan_digest = remediation.digest_v1('plan', plan)),
  ADD CONSTRAINT proposal_plan_size CHECK (octet_length(plan) <= 32768);

-- A proposal begins as submitted, for the incident of its diagnosis, by an enabled agent with a token
-- of its own that has not ended, or by a person.
CREATE FUNCTION remediation.proposal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER guard;

-- Asks the worker for the first assessment, in the proposal's own transaction.
CREATE FUNCTION remediation.proposal_outbox_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public.remediation_outboxmessage (proposal_id, kind, round, recorded_at)
  VALUES (NEW.id, 'assess', 0, clock_timestamp());
  RETURN NULL;
END $$;
CREATE TRIGGER outbox AFTER INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_outbox_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER outbox;

-- The kinds of target that an action works on, with the templates of their locators. Data, not code, so
-- that a third party's kind needs no migration. hitl_owner fills it after every migrate from the
-- catalogue (remediation/declarations.py), and `check --deploy` compares. A locator begins with its
-- kind, so no kind can name another one's target. `escaped` are the fields with free values.
CREATE TABLE remediation.target_kind (
  kind    text PRIMARY KEY,
  locator text NOT NULL,
  escaped text[] NOT NULL DEFAULT '{}',
  CONSTRAINT target_kind_name CHECK (kind ~ '^[a-z0-9_]+([.-][a-z0-9_]+)*$'),
  CONSTRAINT target_kind_locator CHECK (
    starts_with(locator, kind || ':') AND locator ~ '^[^{}]+(\{[a-z0-9_]+\}[^{}]*)+$')
);
-- Guards rely on this table, so only the owner's login may write it, whatever was granted. Even the
-- owner cannot change a row: leases depend on locators, so a kind must keep its template.
CREATE TRIGGER no_rewrite BEFORE UPDATE OR TRUNCATE ON remediation.target_kind
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
CREATE TRIGGER owner_only BEFORE INSERT OR DELETE ON remediation.target_kind
  FOR EACH STATEMENT WHEN (current_user <> 'hitl_owner') EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE remediation.target_kind ENABLE ALWAYS TRIGGER no_rewrite;
ALTER TABLE remediation.target_kind ENABLE ALWAYS TRIGGER owner_only;

-- A free value as it stands in a locator: every byte of its UTF-8 but A-Z a-z 0-9 _ $ . - percent-encoded
-- (RFC 3986). The same as domain/catalogue/locators.py; bytes, because ranges of characters depend on the
-- collation.
CREATE FUNCTION remediation.escaped_v1(value text) RETURNS text LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(string_agg(
           CASE WHEN b.byte BETWEEN 48 AND 57 OR b.byte BETWEEN 65 AND 90 OR b.byte BETWEEN 97 AND 122
                  OR b.byte IN (36, 45, 46, 95) THEN chr(b.byte)
                ELSE '%' || upper(lpad(to_hex(b.byte), 2, '0')) END, '' ORDER BY n.place), '')
    FROM (SELECT convert_to($1, 'UTF8') AS bytes) AS v
   CROSS JOIN LATERAL generate_series(0, octet_length(v.bytes) - 1) AS n(place)
   CROSS JOIN LATERAL (SELECT get_byte(v.bytes, n.place) AS byte) AS b
$$;

-- The locator of a target in a plan's bytes: the kind's template with the target's fields in place of
-- their names, escaped where they are free. NULL for a kind that is not in the table, and for a target that lacks a field.
CREATE FUNCTION remediation.locator_v1(target jsonb) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN bool_and(p.value IS NOT NULL) THEN string_agg(p.value, '' ORDER BY p.place) END
    FROM (SELECT m.place, CASE
                   WHEN m.part[1] IS NULL THEN m.part[2]
                   WHEN m.part[1] = ANY (k.escaped) THEN remediation.escaped_v1($1 ->> m.part[1])
                   ELSE $1 ->> m.part[1] END AS value
            FROM remediation.target_kind k
           CROSS JOIN LATERAL regexp_matches(k.locator, '\{([a-z0-9_]+)\}|([^{}]+)', 'g')
                 WITH ORDINALITY AS m(part, place)
           WHERE k.kind = $1 ->> 'kind') AS p
$$;

-- The targets of a plan. Leases and separation of duties depend on these rows: each must match the plan
-- and be written in the plan's transaction. The assessment verifies that none is missing.
CREATE FUNCTION remediation.proposal_target_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE steps jsonb;
BEGIN
  SELECT convert_from(p.plan, 'UTF8')::jsonb -> 'steps' INTO steps
    FROM public.remediation_proposal p JOIN audit.entry e ON e.id = p.entry
   WHERE p.id = NEW.proposal_id AND e.txid = pg_current_xact_id();
  IF steps IS NULL OR NEW.locator IS DISTINCT FROM
       remediation.locator_v1(steps -> NEW.step::integer -> 'target') THEN
    PERFORM remediation.refuse_v1('target_of_plan', 'the plan of this transaction does not name this target');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_proposaltarget
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_target_v1();
ALTER TABLE public.remediation_proposaltarget ENABLE ALWAYS TRIGGER guard;

-- A person proposes the reversal of a run that succeeded, or stopped and kept; the person must hold a role, and the state of
-- the agent does not matter. So only a real reversal may be marked as one: here each step must reverse a
-- step of that run, and the worker verifies that the plan is exactly the inverse (gate, step 1).
CREATE FUNCTION remediation.reversal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER reversal BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.reversal_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER reversal;

-- A reviewer asks the worker to observe the targets again.
CREATE FUNCTION remediation.observation_request_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = NEW.proposal_id AND p.state = 'in_review' AND p.round = NEW.round) THEN
    PERFORM remediation.refuse_v1('observation_state', 'only a proposal in review is observed again');
  END IF;
  INSERT INTO public.remediation_outboxmessage (proposal_id, kind, round, recorded_at)
  VALUES (NEW.proposal_id, 'assess', NEW.round, clock_timestamp());
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_observationrequest
  FOR EACH ROW EXECUTE FUNCTION remediation.observation_request_v1();
ALTER TABLE public.remediation_observationrequest ENABLE ALWAYS TRIGGER guard;

-- To observe again voids what others signed, so the person signs it: a session cookie alone does not.
CREATE FUNCTION remediation.observation_signed_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM remediation.step_up s
                  WHERE s.entry = NEW.entry AND s.person = NEW.person AND s.act = 'observe_again'
                    AND s.object = 'proposal:' || NEW.proposal_id) THEN
    PERFORM remediation.refuse_v1('observation_unsigned', 'no passkey signed that it is observed again');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signed BEFORE INSERT ON public.remediation_observationrequest
  FOR EACH ROW EXECUTE FUNCTION remediation.observation_signed_v1();
ALTER TABLE public.remediation_observationrequest ENABLE ALWAYS TRIGGER signed;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
