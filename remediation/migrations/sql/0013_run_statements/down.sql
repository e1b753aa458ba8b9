DROP TRIGGER queue ON public.remediation_haltverdict;
DROP TRIGGER outbox ON public.remediation_halt;

-- The urgency of a row of the queue, as a text that sorts: state, risk, deadline, then the time of
-- detection. Never arrival alone, or an agent could push an incident down (A34). What has ended stands
-- behind all that is open, the newest first.
CREATE OR REPLACE FUNCTION remediation.urgency_v1(
  state text, risk text, due timestamptz, detected timestamptz, moved timestamptz, id uuid)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN $1 NOT IN ('in_review', 'submitted', 'approved', 'executing', 'unknown')
    THEN '9' || (9999999999999999 - remediation.digits_v1($5)::bigint)::text || $6
    ELSE CASE $1 WHEN 'in_review' THEN '1' WHEN 'submitted' THEN '2' ELSE '3' END
      || coalesce(array_position(ARRAY['critical', 'high', 'medium', 'low'], $2) - 1, 4)::text
      || remediation.digits_v1($3) || remediation.digits_v1($4) || $6 END
$$;

-- Returns the row of a proposal, computed from the current facts.
CREATE OR REPLACE FUNCTION remediation.queue_now_v1(proposal uuid) RETURNS SETOF public.remediation_queueentry
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY
  SELECT p.id, p.incident_id, p.agent_id, x.place::varchar(80), p.state, coalesce(a.risk, '')::varchar(20),
         -- The first member of a plan's canonical bytes. Quotes inside a text are escaped there, so no text
         -- of the plan can look like it.
         coalesce(substring(encode(p.plan, 'escape') FROM '^\{"environment":"([a-z]{1,20})"'), '')::varchar(20),
         coalesce(t.first, '')::varchar(300), c.due, coalesce(s.touched, '{0}'), coalesce(s.direct, '{}'),
         coalesce(o.slots, '{}'), coalesce(r.people, '{}'),
         array_to_tsvector(remediation.words_v1(concat_ws(' ', i.title, t.every, g.name)))
    FROM public.remediation_proposal p
    JOIN public.remediation_incident i ON i.id = p.incident_id
    JOIN public.remediation_agent g ON g.id = p.agent_id
    LEFT JOIN public.remediation_assessment a ON a.proposal_id = p.id AND a.round = p.round
    CROSS JOIN LATERAL (
      SELECT min(l.locator) FILTER (WHERE l.step = 0) AS first, string_agg(l.locator, ' ') AS every
        FROM public.remediation_proposaltarget l WHERE l.proposal_id = p.id) AS t
    CROSS JOIN LATERAL (
      SELECT max(m.recorded_at) AS at FROM public.remediation_transition m WHERE m.proposal_id = p.id) AS m
    CROSS JOIN LATERAL (
      SELECT CASE p.state WHEN 'submitted' THEN p.recorded_at + interval '24 hours'
                          WHEN 'in_review' THEN a.decide_by
                          WHEN 'approved' THEN remediation.run_deadline_v1(p.id) END AS due) AS c
    CROSS JOIN LATERAL (
      SELECT remediation.urgency_v1(p.state, a.risk, c.due, i.detected_at, coalesce(m.at, p.recorded_at), p.id)
             AS place) AS x
    CROSS JOIN LATERAL (
      SELECT array_agg(DISTINCT v.service_id ORDER BY v.service_id) AS touched,
             array_agg(DISTINCT v.service_id ORDER BY v.service_id)
               FILTER (WHERE v.depth = 1 AND v.assessment_id = a.id) AS direct
        FROM public.remediation_assessment y
        JOIN public.remediation_assessmentservice v ON v.assessment_id = y.id
       WHERE y.proposal_id = p.id) AS s
    CROSS JOIN LATERAL (
      SELECT array_agg(DISTINCT e.name ORDER BY e.name) AS slots
        FROM jsonb_array_elements_text(a.slots) AS e(name)
       WHERE p.state = 'in_review' AND remediation.open_slots_v1(p.id, p.round, e.name) > 0) AS o
    CROSS JOIN LATERAL (
      SELECT array_agg(w.person ORDER BY w.person) AS people
        FROM public.remediation_review w WHERE w.proposal_id = p.id AND w.round = p.round) AS r
   WHERE p.id = $1;
END $$;

-- A person proposes the reversal of a run that succeeded; the person must hold a role, and the state of
-- the agent does not matter. So only a real reversal may be marked as one: here each step must reverse a
-- step of that run, and the worker verifies that the plan is exactly the inverse (gate, step 1).
CREATE OR REPLACE FUNCTION remediation.reversal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
  IF old.state IS DISTINCT FROM 'succeeded' OR old.incident_id IS DISTINCT FROM NEW.incident_id
     OR old.diagnosis_id IS DISTINCT FROM NEW.diagnosis_id
     OR old.agent_id IS DISTINCT FROM NEW.agent_id OR old.token_id IS DISTINCT FROM NEW.token_id THEN
    PERFORM remediation.refuse_v1('reversal_of', 'only a run that succeeded can be reversed, in its own incident');
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

-- Refuses a statement that is not about this run and this person.
CREATE OR REPLACE FUNCTION remediation.halt_statement_v1(proposal uuid, person uuid, statement bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE s jsonb; p record;
BEGIN
  PERFORM remediation.lock_proposal_v1($1);
  SELECT x.state, x.round, x.plan_digest INTO p FROM public.remediation_proposal x WHERE x.id = $1;
  IF p.state IS DISTINCT FROM 'executing' THEN
    PERFORM remediation.refuse_v1('halt_state', 'only a run in progress can be halted');
  END IF;
  s := convert_from($3, 'UTF8')::jsonb;
  IF s ->> 'type' IS DISTINCT FROM 'hitlportal-halt/v1' OR s ->> 'decision' IS DISTINCT FROM 'halt'
     OR s ->> 'proposal' IS DISTINCT FROM $1::text OR s ->> 'round' IS DISTINCT FROM p.round::text
     OR s ->> 'plan' IS DISTINCT FROM p.plan_digest OR s ->> 'person' IS DISTINCT FROM $2::text THEN
    PERFORM remediation.refuse_v1('halt_digest', 'what was signed is not a halt of this run');
  END IF;
END $$;

-- A halt counts only from a lead or an approver who is not excluded, with the reason that was signed,
-- and only while there is a step left to stop.
CREATE OR REPLACE FUNCTION remediation.halt_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; p record; begun integer; steps integer; why text;
BEGIN
  PERFORM remediation.halt_statement_v1(NEW.proposal_id, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  SELECT * INTO v FROM public.remediation_haltsession x WHERE x.id = NEW.session_id;
  IF v IS NULL OR v.person IS DISTINCT FROM NEW.person OR v.statement IS DISTINCT FROM NEW.statement
     OR v.proposal_id IS DISTINCT FROM NEW.proposal_id THEN
    PERFORM remediation.refuse_v1('halt_session', 'the statement was composed for somebody else');
  END IF;
  IF v.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('halt_session_expired', 'the statement is older than five minutes');
  END IF;
  IF octet_length(NEW.credential_id) = 0 OR octet_length(NEW.authenticator_data) = 0
     OR octet_length(NEW.client_data_json) = 0 OR octet_length(NEW.signature) = 0
     OR octet_length(NEW.cose_key) = 0 THEN
    PERFORM remediation.refuse_v1('halt_assertion', 'a halt is signed with a passkey');
  END IF;
  IF convert_from(NEW.statement, 'UTF8')::jsonb ->> 'reason' IS DISTINCT FROM NEW.reason
     OR length(btrim(NEW.reason)) < 10 THEN
    PERFORM remediation.refuse_v1('halt_reason',
      'a halt needs the reason that was signed, of at least 10 characters');
  END IF;
  SELECT x.round INTO p FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.proposal_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('halt_separation', why);
  END IF;
  -- A lead, or a person who could have filled a slot of the round.
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                   JOIN public.remediation_assessment a
                     ON a.proposal_id = NEW.proposal_id AND a.round = p.round
                  WHERE e.person = NEW.person AND e.active
                    AND (e.role = 'lead' OR (e.role IN ('security', 'service_owner')
                                             AND (a.slots ? 'any' OR a.slots ? e.role)))) THEN
    PERFORM remediation.refuse_v1('halt_entitlement', 'only an approver of the proposal or a lead may halt');
  END IF;
  -- A halt that can stop nothing is refused, so that nobody believes it stopped something. A halt that
  -- is not verified yet does not block another one: it may be a forgery.
  SELECT count(*) INTO steps FROM public.remediation_proposaltarget t
   WHERE t.proposal_id = NEW.proposal_id;
  SELECT count(*) INTO begun FROM public.remediation_steprecord s
    JOIN public.remediation_execution x ON x.id = s.execution_id
   WHERE x.proposal_id = NEW.proposal_id AND s.phase = 'intended';
  IF begun >= steps OR EXISTS (
       SELECT 1 FROM public.remediation_steprecord s
         JOIN public.remediation_execution x ON x.id = s.execution_id
        WHERE x.proposal_id = NEW.proposal_id
          AND s.phase NOT IN ('intended', 'applied', 'verified')) THEN
    PERFORM remediation.refuse_v1('halt_late', 'no step is left that has not begun');
  END IF;
  IF EXISTS (SELECT 1 FROM public.remediation_halt h
               JOIN public.remediation_haltverdict w ON w.halt_id = h.id AND w.refusal = ''
              WHERE h.proposal_id = NEW.proposal_id) THEN
    PERFORM remediation.refuse_v1('halt_late', 'the run is halted already');
  END IF;
  RETURN NEW;
END $$;

-- The worker's finding about a halt, while the run is open, in an entry about the same proposal.
CREATE OR REPLACE FUNCTION remediation.halt_verdict_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE of uuid;
BEGIN
  SELECT h.proposal_id INTO of FROM public.remediation_halt h WHERE h.id = NEW.halt_id;
  PERFORM remediation.lock_proposal_v1(of);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || of, NEW.actor);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = of AND p.state IN ('executing', 'unknown')) THEN
    PERFORM remediation.refuse_v1('halt_state', 'the run has ended');
  END IF;
  RETURN NEW;
END $$;

-- Refuses a new step while there is a halt that the worker has not found invalid. Rollback may go on.
-- Fires after `guard` (execution.sql), by its name.
CREATE OR REPLACE FUNCTION remediation.step_halt_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE halted uuid;
BEGIN
  SELECT x.proposal_id INTO halted FROM public.remediation_execution x WHERE x.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(halted);
  IF NEW.phase = 'intended' AND EXISTS (
       SELECT 1 FROM public.remediation_halt h
        WHERE h.proposal_id = halted AND NOT EXISTS (
          SELECT 1 FROM public.remediation_haltverdict w WHERE w.halt_id = h.id AND w.refusal <> '')) THEN
    PERFORM remediation.refuse_v1('halted', 'a person halted this run');
  END IF;
  RETURN NEW;
END $$;

DROP FUNCTION remediation.queue_settled_v1();
DROP FUNCTION remediation.halt_outbox_v1();
DROP FUNCTION remediation.halt_late_v1(uuid, text, text);
CREATE OR REPLACE FUNCTION remediation.undo_signed_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_halt h
                   JOIN public.remediation_haltverdict w ON w.halt_id = h.id AND w.refusal = ''
                  WHERE h.proposal_id = $1)
$$;
DROP FUNCTION remediation.signed_v1(uuid, text[]);
DROP FUNCTION remediation.settled_v1(uuid);

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
