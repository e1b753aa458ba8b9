-- Submission, assessment, review and the transitions between them: the database counts.

-- The one table of edges, the same as remediation/domain/states.py (a test compares them).
CREATE FUNCTION remediation.edge_v1(source text, target text, login text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM (VALUES
    ('submitted',  'in_review',   'hitl_worker'),
    ('in_review',  'in_review',   'hitl_worker'),
    ('in_review',  'approved',    'hitl_web'),
    ('in_review',  'rejected',    'hitl_worker'),
    ('in_review',  'returned',    'hitl_worker'),
    ('submitted',  'withdrawn',   'hitl_web'),
    ('in_review',  'withdrawn',   'hitl_web'),
    ('approved',   'withdrawn',   'hitl_web'),
    ('submitted',  'superseded',  'hitl_web'),
    ('in_review',  'superseded',  'hitl_web'),
    ('approved',   'superseded',  'hitl_web'),
    ('submitted',  'superseded',  'hitl_worker'),
    ('in_review',  'superseded',  'hitl_worker'),
    ('approved',   'superseded',  'hitl_worker'),
    ('submitted',  'expired',     'hitl_worker'),
    ('in_review',  'expired',     'hitl_worker'),
    ('approved',   'expired',     'hitl_worker'),
    ('approved',   'executing',   'hitl_worker'),
    ('approved',   'in_review',   'hitl_worker'),
    ('approved',   'refused',     'hitl_worker'),
    ('executing',  'succeeded',   'hitl_worker'),
    ('executing',  'failed',      'hitl_worker'),
    ('executing',  'rolled_back', 'hitl_worker'),
    ('executing',  'unknown',     'hitl_worker'),
    ('unknown',    'succeeded',   'hitl_worker'),
    ('unknown',    'failed',      'hitl_worker'),
    ('unknown',    'rolled_back', 'hitl_worker')
  ) AS e(s, t, l) WHERE e.s = $1 AND e.t = $2 AND e.l = $3)
$$;

-- Services lock through this: SELECT ... FOR UPDATE needs a privilege that web lacks.
CREATE FUNCTION remediation.lock_proposal_v1(proposal uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- An older snapshot would not see the rejection, the freeze or the lease committed a moment ago.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    PERFORM remediation.refuse_v1('isolation', 'decisions are made in READ COMMITTED');
  END IF;
  -- NO KEY: foreign keys of other rows to the proposal do not wait for a decision.
  PERFORM 1 FROM public.remediation_proposal p WHERE p.id = $1 FOR NO KEY UPDATE;
END $$;

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
          AND p.state NOT IN ('submitted', 'in_review', 'approved', 'executing', 'unknown')) THEN
    PERFORM remediation.refuse_v1('proposal_supersedes', 'the superseded proposal still counts');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER guard;

-- Only the state and the round of a proposal change, only inside the transition's trigger, and
-- only to what the newest transition says.
CREATE FUNCTION remediation.proposal_update_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE t record;
BEGIN
  SELECT x.to_state, x.round INTO t FROM public.remediation_transition x
   WHERE x.proposal_id = OLD.id ORDER BY x.id DESC LIMIT 1;
  IF pg_trigger_depth() < 2 OR t IS NULL OR t.to_state <> NEW.state OR t.round <> NEW.round
     OR (to_jsonb(NEW) - 'state' - 'round') <> (to_jsonb(OLD) - 'state' - 'round') THEN
    RAISE EXCEPTION 'UPDATE on remediation_proposal refused: a state moves by a transition'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_update BEFORE UPDATE ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_update_v1();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON public.remediation_proposal
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
-- An UPDATE of no row, ON CONFLICT DO UPDATE and MERGE too: only from inside a trigger.
CREATE TRIGGER append_only_update BEFORE UPDATE ON public.remediation_proposal
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER guard_update;
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE public.remediation_proposal ENABLE ALWAYS TRIGGER append_only_update;

-- The locator of a target in a plan's bytes, the same as domain/actions.py (a test compares them).
CREATE FUNCTION remediation.locator_v1(target jsonb) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE $1 ->> 'kind'
    WHEN 'postgres.role' THEN
      'postgres.role:' || ($1 ->> 'cluster') || '/' || ($1 ->> 'role')
    WHEN 'aws.iam.access_key' THEN
      'aws.iam.access_key:' || ($1 ->> 'account') || '/' || ($1 ->> 'user') || '/' || ($1 ->> 'access_key_id')
    WHEN 'test.target' THEN
      'test.target:' || ($1 ->> 'name')
  END
$$;

-- Leases and separation of duties hang on these rows: they say what the plan says, no more, and
-- are written with it. That none is missing, the assessment checks.
CREATE FUNCTION remediation.proposal_target_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE steps jsonb;
BEGIN
  SELECT convert_from(p.plan, 'UTF8')::jsonb -> 'steps' INTO steps
    FROM public.remediation_proposal p JOIN audit.entry e ON e.id = p.entry
   WHERE p.id = NEW.proposal_id AND e.txid = pg_current_xact_id();
  IF steps IS NULL OR NEW.locator IS DISTINCT FROM
       remediation.locator_v1(steps -> NEW.step::integer -> 'target') THEN
    PERFORM remediation.refuse_v1('target_of_plan', 'the plan, written now, does not name this target');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_proposaltarget
  FOR EACH ROW EXECUTE FUNCTION remediation.proposal_target_v1();
ALTER TABLE public.remediation_proposaltarget ENABLE ALWAYS TRIGGER guard;

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

-- The columns that rules read are taken from the bytes that people sign, never from the caller.
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

-- A statement speaks of this proposal, this round and these digests, or it is refused.
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
  IF p.round IS DISTINCT FROM $2 OR a IS NULL OR s ->> 'proposal' IS DISTINCT FROM $1::text OR (s ->> 'round')::integer IS DISTINCT FROM $2
     OR s ->> 'plan' IS DISTINCT FROM p.plan_digest OR s ->> 'diagnosis' IS DISTINCT FROM p.diagnosis
     OR s ->> 'scope' IS DISTINCT FROM a.scope_digest OR s ->> 'ruling' IS DISTINCT FROM a.ruling_digest
     OR s ->> 'pin' IS DISTINCT FROM a.pin_digest OR s ->> 'checks' IS DISTINCT FROM a.checks_digest
     OR s ->> 'person' IS DISTINCT FROM $3::text THEN
    PERFORM remediation.refuse_v1('review_digest', 'what was signed is not what is under review now');
  END IF;
  IF a.decide_by <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_deadline', 'the time to decide has passed');
  END IF;
  IF a.recorded_at <= clock_timestamp() - interval '10 minutes' THEN
    PERFORM remediation.refuse_v1('review_fresh', 'the assessment is older than ten minutes');
  END IF;
END $$;

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
    PERFORM remediation.refuse_v1('review_session_life', 'a statement lives five minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_reviewsession
  FOR EACH ROW EXECUTE FUNCTION remediation.review_session_v1();
ALTER TABLE public.remediation_reviewsession ENABLE ALWAYS TRIGGER guard;

-- How many seats of this name the round's ruling has, less those taken by approvals.
CREATE FUNCTION remediation.open_seats_v1(proposal uuid, round integer, slot text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT ((SELECT count(*) FROM public.remediation_assessment a, jsonb_array_elements_text(a.slots) AS e(name)
            WHERE a.proposal_id = $1 AND a.round = $2 AND e.name = $3)
        - (SELECT count(DISTINCT r.person) FROM public.remediation_review r
            WHERE r.proposal_id = $1 AND r.round = $2 AND r.slot = $3 AND r.decision = 'approve'))::integer
$$;

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
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                  WHERE e.person = NEW.person AND e.active AND e.role IN ('security', 'service_owner')
                    AND NEW.slot IN ('any', e.role)) THEN
    PERFORM remediation.refuse_v1('review_entitlement', 'the account does not hold the role of the slot');
  END IF;
  -- A no needs a seat of the role, not a free one: who is entitled may always object.
  IF remediation.open_seats_v1(NEW.proposal_id, NEW.round, NEW.slot) < 1 AND (
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

-- A signed reject or return moves the state only after the worker verified the signature.
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

-- Do the reviews of this round fill the ruling's slots?
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
          AND remediation.open_seats_v1($1, $2, e.name) <> 0)
     OR needed <> (SELECT count(DISTINCT r.person) FROM public.remediation_review r
                    WHERE r.proposal_id = $1 AND r.round = $2 AND r.decision = 'approve') THEN
    PERFORM remediation.refuse_v1('quorum_not_met', 'the reviews of this round do not fill the slots in time');
  END IF;
END $$;

-- May this login walk this edge? An invoker function: in a definer one current_user is the owner.
CREATE FUNCTION remediation.transition_login_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT remediation.edge_v1(NEW.from_state, NEW.to_state, current_user::text) THEN
    PERFORM remediation.refuse_v1('transition_edge',
      format('%s may not move a proposal from %s to %s', current_user, NEW.from_state, NEW.to_state));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER b_login BEFORE INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_login_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER b_login;
