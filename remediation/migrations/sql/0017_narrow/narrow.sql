CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_narrowing
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
ALTER TABLE public.remediation_narrowing ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_narrowing
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_narrowing ENABLE ALWAYS TRIGGER append_only;

-- Returns who approved in a round, each with the slot: by a review, or by a narrowing that made this
-- proposal, in its first round. Whether that narrowing counts is in the worker's assessment, which the web
-- login cannot write; the gate asks the same again, and verifies the signature.
CREATE FUNCTION remediation.counted_v1(proposal uuid, round integer) RETURNS TABLE (person uuid, slot text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.person, r.slot::text FROM public.remediation_review r
   WHERE r.proposal_id = $1 AND r.round = $2 AND r.decision = 'approve'
  UNION
  SELECT n.person, n.slot::text FROM public.remediation_narrowing n
    JOIN public.remediation_assessment a ON a.proposal_id = n.proposal_id AND a.round = $2
   WHERE n.proposal_id = $1 AND $2 = 1 AND a.narrowing_counts
$$;

CREATE OR REPLACE FUNCTION remediation.open_slots_v1(proposal uuid, round integer, slot text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT ((SELECT count(*) FROM public.remediation_assessment a, jsonb_array_elements_text(a.slots) AS e(name)
            WHERE a.proposal_id = $1 AND a.round = $2 AND e.name = $3)
        - (SELECT count(DISTINCT c.person) FROM remediation.counted_v1($1, $2) c
            WHERE c.slot = $3))::integer
$$;

CREATE OR REPLACE FUNCTION remediation.quorum_v1(proposal uuid, round integer) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE needed integer;
BEGIN
  IF EXISTS (SELECT 1 FROM public.remediation_review r
              WHERE r.proposal_id = $1 AND r.round = $2 AND r.decision <> 'approve') THEN
    PERFORM remediation.refuse_v1('quorum_disputed', 'somebody rejected or returned in this round');
  END IF;
  SELECT jsonb_array_length(a.slots) INTO needed FROM public.remediation_assessment a
   WHERE a.proposal_id = $1 AND a.round = $2 AND a.decide_by > clock_timestamp();
  IF needed IS NULL OR needed < 1 OR EXISTS (
       SELECT 1 FROM public.remediation_assessment a, jsonb_array_elements_text(a.slots) AS e(name)
        WHERE a.proposal_id = $1 AND a.round = $2
          AND remediation.open_slots_v1($1, $2, e.name) <> 0)
     OR needed <> (SELECT count(DISTINCT c.person) FROM remediation.counted_v1($1, $2) c) THEN
    PERFORM remediation.refuse_v1('quorum_not_met', 'the reviews of this round do not fill the slots in time');
  END IF;
END $$;

CREATE OR REPLACE FUNCTION remediation.excluded_v1(proposal uuid)
RETURNS TABLE (person text, why text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE services bigint[] := '{}'; identities bigint[];
BEGIN
  -- plpgsql keeps the plan. Before PostgreSQL 18 a function in SQL is planned anew at each call, which
  -- takes ten times as long as reading.
  RETURN QUERY
  WITH RECURSIVE p AS (
    SELECT pr.id, pr.agent_id, pr.editor, pr.supersedes_id, tk.recorded_at AS born
      FROM public.remediation_proposal pr
      JOIN public.remediation_agenttoken tk ON tk.id = pr.token_id WHERE pr.id = $1
  ), edited AS (
    -- Also of the plans that this one supersedes: an agent may send an edited plan again as its own.
    SELECT p.id, p.editor, p.supersedes_id FROM p
    UNION
    SELECT x.id, x.editor, x.supersedes_id
      FROM edited e JOIN public.remediation_proposal x ON x.id = e.supersedes_id
  ), owners AS (
    SELECT v.owner, lead(v.recorded_at, 1, 'infinity') OVER (ORDER BY v.id) AS until
      FROM public.remediation_agentversion v, p WHERE v.agent_id = p.agent_id
  ), tokens AS (
    SELECT t.created_by, r.revoked_by
      FROM p JOIN public.remediation_agenttoken t ON t.agent_id = p.agent_id
      LEFT JOIN public.remediation_agenttokenrevocation r ON r.token_id = t.id
     WHERE coalesce(r.recorded_at, 'infinity') >= p.born AND t.expires_at >= p.born
  )
  SELECT o.owner::text, 'owner of the agent' FROM owners o, p WHERE o.until > p.born
  UNION
  SELECT k.created_by::text, 'made a token of the agent' FROM tokens k
  UNION
  SELECT substr(k.revoked_by, 8), 'rotated a token of the agent' FROM tokens k
   WHERE k.revoked_by LIKE 'person:%'
  UNION
  -- Narrowing a plan can only take effects away, so it is no edit. The gate verifies that it was narrowed.
  SELECT e.editor::text, 'edited the plan' FROM edited e WHERE e.editor IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM public.remediation_narrowing n
                      WHERE n.proposal_id = e.id AND n.person = e.editor AND n.narrows_id = e.supersedes_id)
  UNION
  -- A person does not decide a proposal that rests on that person's diagnosis, even if somebody
  -- corrected it once more or the agent sent the same text again.
  SELECT d.editor::text, 'corrected the diagnosis'
    FROM remediation.words_of_v1($1) AS w (diagnosis_id)
    JOIN public.remediation_diagnosis d ON d.id = w.diagnosis_id
   WHERE d.editor IS NOT NULL;
  identities := ARRAY(
    SELECT i.id FROM public.remediation_proposaltarget t
      JOIN public.remediation_identity i ON i.locator = t.locator WHERE t.proposal_id = $1);
  -- If nobody changed a service or removed an edge in 7 days, there is no need to follow the edges.
  IF EXISTS (SELECT 1 FROM public.remediation_serviceversion v
              WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days')
     OR EXISTS (SELECT 1 FROM public.remediation_dependencyversion v
                 WHERE NOT v.present AND v.author LIKE 'person:%'
                   AND v.recorded_at > now() - interval '7 days') THEN
    services := ARRAY(
      SELECT r.id FROM remediation.reached_v1(identities) AS r (id)
      UNION
      SELECT s.service_id
        FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
       WHERE a.proposal_id = $1);
  END IF;
  RETURN QUERY
  SELECT DISTINCT substr(l.author, 8), 'loosened the inventory in the last 7 days'
    FROM remediation.loosened_v2(services, identities) AS l (author)
   WHERE l.author LIKE 'person:%';
  -- Where many teams own critical services, a lead decides in their place. Then an edge or a stricter
  -- attribute loosens, too: it may have made them many.
  IF EXISTS (SELECT 1 FROM public.remediation_proposal x
               JOIN public.remediation_assessment a ON a.proposal_id = x.id AND a.round = x.round
              WHERE x.id = $1 AND a.slots ? 'lead') THEN
    services := ARRAY(
      SELECT r.id FROM remediation.reached_v1(identities) AS r (id)
      UNION
      SELECT s.service_id
        FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
       WHERE a.proposal_id = $1);
    RETURN QUERY
    SELECT substr(v.author, 8), 'loosened the inventory in the last 7 days'
      FROM public.remediation_serviceversion v
     WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
       AND v.service_id = ANY (services)
    UNION
    SELECT substr(v.author, 8), 'loosened the inventory in the last 7 days'
      FROM public.remediation_dependency d
      JOIN public.remediation_dependencyversion v ON v.dependency_id = d.id
     WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
       AND d.source_id = ANY (services);
  END IF;
END $$;

-- A review by somebody whose narrowing already counts in the round: one person fills one slot. A dissent is
-- possible.
CREATE FUNCTION remediation.review_narrowed_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.round = 1 AND EXISTS (
       SELECT 1 FROM public.remediation_narrowing n
         JOIN public.remediation_assessment a ON a.proposal_id = n.proposal_id AND a.round = NEW.round
        WHERE n.proposal_id = NEW.proposal_id AND n.person = NEW.person AND a.narrowing_counts) THEN
    PERFORM remediation.refuse_v1('review_narrowed', 'the narrowing of this person fills a slot already');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_narrowed BEFORE INSERT ON public.remediation_review
  FOR EACH ROW WHEN (NEW.decision = 'approve') EXECUTE FUNCTION remediation.review_narrowed_v1();
ALTER TABLE public.remediation_review ENABLE ALWAYS TRIGGER guard_narrowed;

-- Limits the size, as for reviews.
ALTER TABLE public.remediation_narrowing
  ADD CONSTRAINT narrowing_size CHECK (octet_length(statement) <= 32768
    AND greatest(octet_length(credential_id), octet_length(authenticator_data),
                 octet_length(client_data_json), octet_length(signature),
                 octet_length(cose_key)) <= 8192);

-- A narrowing is signed over the round that is under review, by somebody who could decide in it. Its row
-- comes before the proposal that it makes, in one transaction: until then the old one is in review.
CREATE FUNCTION remediation.narrowing_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; s jsonb; why text; p record;
BEGIN
  SELECT * INTO v FROM public.remediation_reviewsession x WHERE x.id = NEW.session_id;
  IF v IS NULL OR v.person IS DISTINCT FROM NEW.person OR v.statement IS DISTINCT FROM NEW.statement
     OR v.proposal_id IS DISTINCT FROM NEW.narrows_id THEN
    PERFORM remediation.refuse_v1('review_session', 'the statement was composed for somebody else');
  END IF;
  PERFORM remediation.statement_v1(NEW.narrows_id, v.round, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  IF v.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_session_expired', 'the statement is older than five minutes');
  END IF;
  s := convert_from(NEW.statement, 'UTF8')::jsonb;
  IF s ->> 'type' IS DISTINCT FROM 'hitlportal-narrowing/v1' OR s ->> 'slot' IS DISTINCT FROM NEW.slot
     OR s ->> 'makes' IS DISTINCT FROM NEW.proposal_id::text THEN
    PERFORM remediation.refuse_v1('review_digest', 'the slot or the proposal that it makes is not the one signed');
  END IF;
  -- A narrowing of something else would make an editor of that proposal somebody who only narrowed.
  IF EXISTS (SELECT 1 FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id) THEN
    PERFORM remediation.refuse_v1('narrowing_late', 'the proposal that it makes was there before it');
  END IF;
  SELECT x.reverses_id, x.agent_id, x.planner INTO p
    FROM public.remediation_proposal x WHERE x.id = NEW.narrows_id;
  IF p.reverses_id IS NOT NULL THEN
    PERFORM remediation.refuse_v1('narrowing_reversal', 'a reversal is exactly the inverse of a run');
  END IF;
  -- As for an approval: of a plan of a person that person's role counts (review_agent_v1).
  IF p.planner IS NULL
     AND (SELECT a.enabled FROM remediation.agent_now a WHERE a.agent_id = p.agent_id) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('agent_disabled', 'the agent is suspended');
  ELSIF p.planner IS NOT NULL AND NOT remediation.incident_entitled_v1('person:' || p.planner) THEN
    PERFORM remediation.refuse_v1('proposer_lost', 'the person who proposed it is gone or holds no role');
  END IF;
  -- A rejection waits for the worker, who verifies its signature; nobody goes around it meanwhile.
  IF EXISTS (SELECT 1 FROM public.remediation_review r
              WHERE r.proposal_id = NEW.narrows_id AND r.round = v.round AND r.decision <> 'approve') THEN
    PERFORM remediation.refuse_v1('narrowing_disputed', 'somebody rejected or returned in this round');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.narrows_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('review_separation', why);
  END IF;
  IF NOT remediation.may_fill_v1(NEW.person, NEW.narrows_id, v.round, NEW.slot) THEN
    PERFORM remediation.refuse_v1('review_entitlement',
      'the account holds no role, or no right on a service, that counts for the slot');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM public.remediation_assessment a
                  WHERE a.proposal_id = NEW.narrows_id AND a.round = v.round AND a.slots ? NEW.slot) THEN
    PERFORM remediation.refuse_v1('review_slot', 'the ruling has no such slot');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_narrowing
  FOR EACH ROW EXECUTE FUNCTION remediation.narrowing_v1();
ALTER TABLE public.remediation_narrowing ENABLE ALWAYS TRIGGER guard;

-- The proposal that a narrowing makes: exactly the signed plan, for the signed diagnosis, by its author.
-- Each step must be one of the old ones, in their order; the worker compares the parameters (gate, step 1).
CREATE FUNCTION remediation.narrowed_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE n record; s jsonb; places bigint[];
BEGIN
  SELECT x.person, x.narrows_id, x.statement INTO n FROM public.remediation_narrowing x
   WHERE x.proposal_id = NEW.id;
  IF NOT FOUND THEN
    RETURN NEW;
  END IF;
  s := convert_from(n.statement, 'UTF8')::jsonb;
  IF NEW.editor IS DISTINCT FROM n.person OR NEW.supersedes_id IS DISTINCT FROM n.narrows_id
     OR NEW.plan_digest IS DISTINCT FROM s ->> 'narrowed' OR NEW.reverses_id IS NOT NULL
     OR (SELECT d.digest FROM public.remediation_diagnosis d WHERE d.id = NEW.diagnosis_id)
        IS DISTINCT FROM s ->> 'diagnosis' THEN
    PERFORM remediation.refuse_v1('narrowed_signed', 'the proposal is not the one that was signed');
  END IF;
  -- It stays where the old one was: in its choice, whatever ended the old one, and with the people of its
  -- agent and token, who may not decide.
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = n.narrows_id AND p.agent_id = NEW.agent_id AND p.token_id = NEW.token_id
                    AND p.state = 'superseded') THEN
    PERFORM remediation.refuse_v1('narrowed_place', 'a narrowing supersedes, and keeps agent and token');
  END IF;
  SELECT array_agg(o.place ORDER BY f.place) INTO places
    FROM jsonb_array_elements(convert_from(NEW.plan, 'UTF8')::jsonb -> 'steps') WITH ORDINALITY AS f(step, place)
    LEFT JOIN LATERAL (
      SELECT e.place
        FROM public.remediation_proposal p,
             jsonb_array_elements(convert_from(p.plan, 'UTF8')::jsonb -> 'steps') WITH ORDINALITY AS e(step, place)
       WHERE p.id = n.narrows_id AND e.step - 'parameters' = f.step - 'parameters'
       ORDER BY e.place LIMIT 1) AS o ON true;
  IF array_position(places, NULL) IS NOT NULL
     OR places IS DISTINCT FROM ARRAY(SELECT DISTINCT u.place FROM unnest(places) AS u(place) ORDER BY u.place) THEN
    PERFORM remediation.refuse_v1('narrowed_plan', 'a step is not one of the old plan, in its order');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER narrowed BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.narrowed_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER narrowed;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
