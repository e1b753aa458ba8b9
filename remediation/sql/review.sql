-- Assessment and review: what people sign, who may sign, and when the signatures suffice. The database
-- counts; it cannot verify a passkey, which the worker does (domain: gate).

-- An assessment opens the next round. Columns that rules read come from the bytes that people sign,
-- never from the caller.
CREATE FUNCTION remediation.assessment_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE r jsonb; earliest timestamptz; p record;
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  SELECT x.state, x.round INTO p FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  IF p.state NOT IN ('submitted', 'in_review', 'approved') OR NEW.round <> p.round + 1 THEN
    PERFORM remediation.refuse_v1('assessment_round', 'an assessment opens the next round of an open proposal');
  END IF;
  IF (SELECT jsonb_array_length(convert_from(x.plan, 'UTF8')::jsonb -> 'steps')
        FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id)
     IS DISTINCT FROM
     (SELECT count(*)::integer FROM public.remediation_proposaltarget t
       WHERE t.proposal_id = NEW.proposal_id) THEN
    PERFORM remediation.refuse_v1('assessment_targets', 'a target of the plan is not on record');
  END IF;
  r := convert_from(NEW.ruling, 'UTF8')::jsonb;
  NEW.pin_digest := remediation.digest_v1('pin', NEW.pin);
  NEW.scope_digest := remediation.digest_v1('scope', NEW.scope);
  NEW.checks_digest := remediation.digest_v1('checks', NEW.checks);
  NEW.ruling_digest := remediation.digest_v1('ruling', NEW.ruling);
  NEW.slots := r -> 'slots';
  NEW.risk := r ->> 'risk';
  NEW.decide_by := (r ->> 'decide_by')::timestamptz;
  NEW.run_within_s := (r ->> 'run_within_s')::integer;
  IF jsonb_typeof(NEW.slots) IS DISTINCT FROM 'array' OR jsonb_array_length(NEW.slots) = 0 THEN
    PERFORM remediation.refuse_v1('assessment_slots', 'a ruling without slots approves nothing');
  END IF;
  SELECT min(a.decide_by) INTO earliest FROM public.remediation_assessment a
   WHERE a.proposal_id = NEW.proposal_id;
  IF NEW.decide_by IS NULL OR NEW.decide_by > earliest THEN
    PERFORM remediation.refuse_v1('assessment_deadline', 'a deadline may only come earlier');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_assessment
  FOR EACH ROW EXECUTE FUNCTION remediation.assessment_v1();
ALTER TABLE public.remediation_assessment ENABLE ALWAYS TRIGGER guard;

-- The worker read the targets again at a person's request and found all that people sign the same: the
-- round goes on, with its approvals. Only what was asked for is answered.
CREATE FUNCTION remediation.look_asked_v1(proposal uuid, round integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM public.remediation_observationrequest r
     WHERE r.proposal_id = $1 AND r.round = $2
       AND NOT EXISTS (SELECT 1 FROM public.remediation_seenagain s
                        WHERE s.proposal_id = $1 AND s.round = $2 AND s.entry > r.entry))
$$;

-- When the worker last saw what is under review: at the assessment, or at a later equal look.
CREATE FUNCTION remediation.seen_at_v1(proposal uuid, round integer) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(
    (SELECT a.recorded_at FROM public.remediation_assessment a
      WHERE a.proposal_id = $1 AND a.round = $2),
    (SELECT max(s.recorded_at) FROM public.remediation_seenagain s
      WHERE s.proposal_id = $1 AND s.round = $2))
$$;

CREATE FUNCTION remediation.seen_again_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = NEW.proposal_id AND p.state = 'in_review' AND p.round = NEW.round) THEN
    PERFORM remediation.refuse_v1('seen_again_round', 'only the round under review goes on');
  END IF;
  IF NOT remediation.look_asked_v1(NEW.proposal_id, NEW.round) THEN
    PERFORM remediation.refuse_v1('seen_again_asked', 'nobody asked for another look');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_seenagain
  FOR EACH ROW EXECUTE FUNCTION remediation.seen_again_v1();
ALTER TABLE public.remediation_seenagain ENABLE ALWAYS TRIGGER guard;

-- Refuses a statement that is too late, or not about this proposal, this round, this person and the
-- digests under review now.
CREATE FUNCTION remediation.statement_v1(proposal uuid, round integer, person uuid, statement bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE s jsonb; p record; a record;
BEGIN
  PERFORM remediation.lock_proposal_v1($1);
  s := convert_from($4, 'UTF8')::jsonb;
  SELECT x.state, x.round, x.plan_digest, d.digest AS diagnosis INTO p
    FROM public.remediation_proposal x JOIN public.remediation_diagnosis d ON d.id = x.diagnosis_id
   WHERE x.id = $1;
  SELECT * INTO a FROM public.remediation_assessment x WHERE x.proposal_id = $1 AND x.round = $2;
  IF p.state IS DISTINCT FROM 'in_review' THEN
    PERFORM remediation.refuse_v1('review_state', 'the proposal is not in review');
  END IF;
  IF p.round IS DISTINCT FROM $2 OR a IS NULL
     OR s ->> 'proposal' IS DISTINCT FROM $1::text OR (s ->> 'round')::integer IS DISTINCT FROM $2
     OR s ->> 'plan' IS DISTINCT FROM p.plan_digest OR s ->> 'diagnosis' IS DISTINCT FROM p.diagnosis
     OR s ->> 'scope' IS DISTINCT FROM a.scope_digest OR s ->> 'ruling' IS DISTINCT FROM a.ruling_digest
     OR s ->> 'pin' IS DISTINCT FROM a.pin_digest OR s ->> 'checks' IS DISTINCT FROM a.checks_digest
     OR s ->> 'person' IS DISTINCT FROM $3::text THEN
    PERFORM remediation.refuse_v1('review_digest', 'what was signed is not what is under review now');
  END IF;
  IF a.decide_by <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_deadline', 'the time to decide has passed');
  END IF;
  IF remediation.seen_at_v1($1, $2) <= clock_timestamp() - interval '10 minutes' THEN
    PERFORM remediation.refuse_v1('review_fresh', 'the assessment is older than ten minutes');
  END IF;
END $$;

-- Limits the size of what a passkey signs and answers. A compromised web process must not fill the
-- memory of the worker, which reads these rows repeatedly until it has verified them.
ALTER TABLE public.remediation_reviewsession
  ADD CONSTRAINT review_session_size CHECK (octet_length(statement) <= 32768);
ALTER TABLE public.remediation_review
  ADD CONSTRAINT review_size CHECK (octet_length(statement) <= 32768
    AND greatest(octet_length(credential_id), octet_length(authenticator_data),
                 octet_length(client_data_json), octet_length(signature),
                 octet_length(cose_key)) <= 8192);

-- A composed statement can be signed for five minutes.
CREATE FUNCTION remediation.review_session_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE s jsonb;
BEGIN
  PERFORM remediation.statement_v1(NEW.proposal_id, NEW.round, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  s := convert_from(NEW.statement, 'UTF8')::jsonb;
  IF (s ->> 'expires')::timestamptz IS DISTINCT FROM NEW.expires_at OR s ->> 'nonce' IS DISTINCT FROM NEW.nonce
     OR NEW.expires_at > clock_timestamp() + interval '5 minutes 5 seconds'
     OR NEW.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_session_life', 'a statement is valid for five minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_reviewsession
  FOR EACH ROW EXECUTE FUNCTION remediation.review_session_v1();
ALTER TABLE public.remediation_reviewsession ENABLE ALWAYS TRIGGER guard;

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

-- Returns how many slots of this role the round's ruling has, minus those that approvals fill.
CREATE FUNCTION remediation.open_slots_v1(proposal uuid, round integer, slot text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT ((SELECT count(*) FROM public.remediation_assessment a, jsonb_array_elements_text(a.slots) AS e(name)
            WHERE a.proposal_id = $1 AND a.round = $2 AND e.name = $3)
        - (SELECT count(DISTINCT c.person) FROM remediation.counted_v1($1, $2) c
            WHERE c.slot = $3))::integer
$$;

-- Returns whether a person may fill a slot of a round: the active account holds the slot's role, and a
-- right to review makes it count. For an owner's slot that is the right on one of the services that the
-- ruling's bytes name for it, for the others the right on one service that uses a target directly. Where
-- no such service is known, and for a lead, the role is enough. The same rule as `Asked.may_fill` in
-- domain/slots.py; a test compares them.
CREATE FUNCTION remediation.may_fill_v1(person uuid, proposal uuid, round integer, slot text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM remediation.entitlement e
     WHERE e.person = $1 AND e.active
       AND (e.role IN ('security', 'service_owner') AND $4 = 'any'
         OR e.role IN ('security', 'service_owner', 'lead') AND $4 = e.role
         OR e.role = 'service_owner' AND $4 LIKE 'service\_owner:%'))
  AND CASE
    WHEN $4 = 'lead' THEN true
    WHEN $4 LIKE 'service\_owner:%' THEN EXISTS (
      SELECT 1 FROM public.remediation_assessment a
       CROSS JOIN jsonb_array_elements(convert_from(a.ruling, 'UTF8')::jsonb -> 'owners') AS o(owner)
       CROSS JOIN jsonb_array_elements_text(o.owner -> 'services') AS n(name)
        JOIN public.remediation_service s ON s.name = n.name
        JOIN remediation.service_right w ON w.service_id = s.id
       WHERE a.proposal_id = $2 AND a.round = $3 AND o.owner ->> 'slot' = $4
         AND w.person = $1 AND w.codename = 'review_service')
    ELSE NOT EXISTS (
      SELECT 1 FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice d ON d.assessment_id = a.id AND d.depth = 1
       WHERE a.proposal_id = $2 AND a.round = $3)
    OR EXISTS (
      SELECT 1 FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice d ON d.assessment_id = a.id AND d.depth = 1
        JOIN remediation.service_right w ON w.service_id = d.service_id
       WHERE a.proposal_id = $2 AND a.round = $3
         AND w.person = $1 AND w.codename = 'review_service') END
$$;

-- A review counts only from a person who is entitled to the slot, is not excluded, and signed exactly
-- the statement that was composed for that person.
CREATE FUNCTION remediation.review_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; s jsonb; why text;
BEGIN
  PERFORM remediation.statement_v1(NEW.proposal_id, NEW.round, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  SELECT * INTO v FROM public.remediation_reviewsession x WHERE x.id = NEW.session_id;
  IF v IS NULL OR v.person IS DISTINCT FROM NEW.person OR v.statement IS DISTINCT FROM NEW.statement
     OR v.proposal_id IS DISTINCT FROM NEW.proposal_id OR v.round IS DISTINCT FROM NEW.round THEN
    PERFORM remediation.refuse_v1('review_session', 'the statement was composed for somebody else');
  END IF;
  IF v.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_session_expired', 'the statement is older than five minutes');
  END IF;
  s := convert_from(NEW.statement, 'UTF8')::jsonb;
  IF s ->> 'decision' IS DISTINCT FROM NEW.decision OR s ->> 'slot' IS DISTINCT FROM NEW.slot THEN
    PERFORM remediation.refuse_v1('review_digest', 'decision or slot is not the one signed');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.proposal_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('review_separation', why);
  END IF;
  IF NOT remediation.may_fill_v1(NEW.person, NEW.proposal_id, NEW.round, NEW.slot) THEN
    PERFORM remediation.refuse_v1('review_entitlement',
      'the account holds no role, or no right on a service, that counts for the slot');
  END IF;
  -- A reject or return needs a seat of the role, not a free one: an entitled person may always object.
  IF remediation.open_slots_v1(NEW.proposal_id, NEW.round, NEW.slot) < 1 AND (
       NEW.decision = 'approve' OR NOT EXISTS (
         SELECT 1 FROM public.remediation_assessment a
          WHERE a.proposal_id = NEW.proposal_id AND a.round = NEW.round AND a.slots ? NEW.slot)) THEN
    PERFORM remediation.refuse_v1('review_slot', 'the slot is not open');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_review
  FOR EACH ROW EXECUTE FUNCTION remediation.review_v1();
ALTER TABLE public.remediation_review ENABLE ALWAYS TRIGGER guard;

-- Refuses an approval of a suspended agent's proposal. For a reversal or a plan of a person the role of its
-- proposer counts instead. Service and gate have the same rule; this one holds for every writer of the row.
CREATE FUNCTION remediation.review_agent_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER guard_agent BEFORE INSERT ON public.remediation_review
  FOR EACH ROW WHEN (NEW.decision = 'approve') EXECUTE FUNCTION remediation.review_agent_v1();
ALTER TABLE public.remediation_review ENABLE ALWAYS TRIGGER guard_agent;

-- Asks the worker to verify a signed reject or return; only then may the state move.
CREATE FUNCTION remediation.review_outbox_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.decision <> 'approve' THEN
    INSERT INTO public.remediation_outboxmessage (proposal_id, kind, round, recorded_at)
    VALUES (NEW.proposal_id, 'settle', NEW.round, clock_timestamp());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER outbox AFTER INSERT ON public.remediation_review
  FOR EACH ROW EXECUTE FUNCTION remediation.review_outbox_v1();
ALTER TABLE public.remediation_review ENABLE ALWAYS TRIGGER outbox;

-- Refuses unless the reviews of this round fill the ruling's slots, by distinct people and in time.
CREATE FUNCTION remediation.quorum_v1(proposal uuid, round integer) RETURNS void LANGUAGE plpgsql
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
