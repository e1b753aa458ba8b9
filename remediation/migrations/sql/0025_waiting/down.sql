DROP TRIGGER queue ON public.remediation_waitoverdue;
DROP TRIGGER queue ON public.remediation_waitlook;
DO $$
DECLARE t text; g text;
BEGIN
  FOREACH t IN ARRAY ARRAY['wait', 'waitlook', 'waitoverdue', 'resumption'] LOOP
    FOREACH g IN ARRAY ARRAY['guard', 'a_fact', 'append_only'] LOOP
      EXECUTE format('DROP TRIGGER %I ON public.%I', g, 'remediation_' || t);
    END LOOP;
  END LOOP;
END $$;
-- Refuses a move unless it meets its requirements besides the login: assessment, reviews, deadline,
-- leases, verified steps.
CREATE OR REPLACE FUNCTION remediation.transition_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record; newest record; e jsonb; steps integer; done integer;
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  SELECT x.state, x.round, x.recorded_at INTO p FROM public.remediation_proposal x
   WHERE x.id = NEW.proposal_id;
  IF p.state IS DISTINCT FROM NEW.from_state THEN
    PERFORM remediation.refuse_v1('transition_from',
      format('the proposal is %s, not %s', p.state, NEW.from_state));
  END IF;
  -- For the second row of one statement: the first row has not moved the state yet.
  SELECT x.to_state, x.round INTO newest FROM public.remediation_transition x
   WHERE x.proposal_id = NEW.proposal_id ORDER BY x.id DESC LIMIT 1;
  IF FOUND AND (newest.to_state IS DISTINCT FROM p.state OR newest.round IS DISTINCT FROM p.round) THEN
    PERFORM remediation.refuse_v1('transition_from', 'another transition of the proposal is under way');
  END IF;
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, NEW.actor);
  SELECT convert_from(x.body, 'UTF8')::jsonb INTO e FROM audit.entry x WHERE x.id = NEW.entry;
  IF e -> 'data' ->> 'from' IS DISTINCT FROM NEW.from_state
     OR e -> 'data' ->> 'to' IS DISTINCT FROM NEW.to_state THEN
    PERFORM remediation.refuse_v1('transition_entry', 'the audit entry names another transition');
  END IF;
  NEW.round := p.round;
  IF NEW.to_state = 'in_review' THEN
    NEW.round := p.round + 1;
    IF NOT EXISTS (SELECT 1 FROM public.remediation_assessment a
                    WHERE a.proposal_id = NEW.proposal_id AND a.round = NEW.round) THEN
      PERFORM remediation.refuse_v1('transition_assessment', 'a round begins with an assessment');
    END IF;
  ELSIF NEW.to_state = 'approved' THEN
    PERFORM remediation.quorum_v1(NEW.proposal_id, p.round);
  ELSIF NEW.to_state IN ('rejected', 'returned') THEN
    IF NOT EXISTS (SELECT 1 FROM public.remediation_review r
                    WHERE r.proposal_id = NEW.proposal_id AND r.round = p.round
                      AND r.decision = CASE NEW.to_state WHEN 'rejected' THEN 'reject' ELSE 'return' END) THEN
      PERFORM remediation.refuse_v1('transition_review', 'nobody decided that in this round');
    END IF;
  ELSIF NEW.to_state = 'expired' THEN
    -- A proposal never expires early: nobody can end an approval by calling it late.
    IF (clock_timestamp() >= (CASE p.state
         WHEN 'submitted' THEN p.recorded_at + interval '24 hours'
         WHEN 'in_review' THEN (SELECT a.decide_by FROM public.remediation_assessment a
                                 WHERE a.proposal_id = NEW.proposal_id AND a.round = p.round)
         ELSE remediation.run_deadline_v1(NEW.proposal_id) END)) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('transition_early', 'the deadline has not passed');
    END IF;
  ELSIF NEW.to_state = 'executing' THEN
    IF remediation.frozen_v1() THEN
      PERFORM remediation.refuse_v1('frozen', 'all execution is frozen');
    END IF;
    IF (remediation.run_deadline_v1(NEW.proposal_id) > clock_timestamp()) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('deadline', 'the time to run has passed');
    END IF;
    IF NOT remediation.leases_held_v1(NEW.proposal_id) THEN
      PERFORM remediation.refuse_v1('stale_token', 'the leases on the targets are not held');
    END IF;
  ELSIF NEW.to_state IN ('failed', 'stopped') THEN
    -- failed: nothing was changed. stopped: something was, and stays; or people say so of an unknown run.
    IF remediation.applied_v1(NEW.proposal_id) IS DISTINCT FROM (NEW.to_state = 'stopped')
       AND NOT (NEW.from_state = 'unknown' AND NEW.to_state = 'stopped') THEN
      PERFORM remediation.refuse_v1('transition_applied',
        format('the record of the steps says something else than %s', NEW.to_state));
    END IF;
  ELSIF NEW.to_state = 'rolled_back' THEN
    -- Only people give access back (promise 11).
    IF NOT remediation.undo_signed_v1(NEW.proposal_id) THEN
      PERFORM remediation.refuse_v1('undo_unsigned', 'nobody signed that this run is undone');
    END IF;
    IF EXISTS (
         SELECT 1 FROM public.remediation_steprecord s
           JOIN public.remediation_execution x ON x.id = s.execution_id
          WHERE x.proposal_id = NEW.proposal_id AND s.phase = 'applied'
            AND NOT EXISTS (SELECT 1 FROM public.remediation_steprecord u
                             WHERE u.execution_id = s.execution_id AND u.step = s.step AND u.phase = 'undone')) THEN
      PERFORM remediation.refuse_v1('transition_applied', 'a step is applied and not undone');
    END IF;
  ELSIF NEW.to_state = 'succeeded' THEN
    SELECT count(*) INTO steps FROM public.remediation_proposaltarget t WHERE t.proposal_id = NEW.proposal_id;
    SELECT count(*) INTO done FROM public.remediation_steprecord s
      JOIN public.remediation_execution x ON x.id = s.execution_id
     WHERE x.proposal_id = NEW.proposal_id AND s.phase = 'verified';
    IF done <> steps THEN
      PERFORM remediation.refuse_v1('transition_unverified', 'not every step is verified');
    END IF;
  END IF;
  RETURN NEW;
END $$;

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
          AND p.state NOT IN ('submitted', 'in_review', 'approved', 'executing', 'unknown')) THEN
    PERFORM remediation.refuse_v1('proposal_supersedes', 'the superseded proposal is still open');
  END IF;
  RETURN NEW;
END $$;

-- Returns the time until which an approved proposal may run.
CREATE OR REPLACE FUNCTION remediation.run_deadline_v1(proposal uuid) RETURNS timestamptz LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.recorded_at + make_interval(secs => a.run_within_s)
    FROM public.remediation_transition t
    JOIN public.remediation_assessment a ON a.proposal_id = t.proposal_id AND a.round = t.round
   WHERE t.proposal_id = $1 AND t.to_state = 'approved' ORDER BY t.id DESC LIMIT 1
$$;

-- Returns whether this run holds a live lease, with the newest token, on every target of the plan.
CREATE OR REPLACE FUNCTION remediation.leases_held_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_execution x WHERE x.proposal_id = $1)
     AND EXISTS (SELECT 1 FROM public.remediation_proposaltarget t WHERE t.proposal_id = $1)
     AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposaltarget t
         JOIN public.remediation_execution x ON x.proposal_id = t.proposal_id
         LEFT JOIN public.remediation_lease l ON l.target = t.locator
          AND l.token = (x.tokens ->> t.locator)::bigint AND l.holder = x.holder
          AND l.until > clock_timestamp()
        WHERE t.proposal_id = $1 AND l.target IS NULL)
$$;

-- A lease is the worker's compare-and-set. Tokens only grow, and every new holder gets a new one.
CREATE OR REPLACE FUNCTION remediation.lease_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.until > clock_timestamp() + interval '10 minutes' THEN
    PERFORM remediation.refuse_v1('lease_length', 'a lease lasts at most ten minutes');
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF NEW.target <> OLD.target OR NEW.token < OLD.token
       OR (NEW.holder <> OLD.holder AND NEW.token = OLD.token) THEN
      PERFORM remediation.refuse_v1('lease_token', 'a new holder needs a new token');
    END IF;
    IF NEW.token > OLD.token AND OLD.until > clock_timestamp() THEN
      PERFORM remediation.refuse_v1('lease_live', 'the lease is still held');
    END IF;
    -- A worker that slept past the end of its lease cannot renew it; it must take a new one.
    IF NEW.token = OLD.token AND OLD.until <= clock_timestamp() AND NEW.until > OLD.until THEN
      PERFORM remediation.refuse_v1('lease_over', 'the lease has run out');
    END IF;
  END IF;
  RETURN NEW;
END $$;

-- Refuses a step out of order, without a live lease, too late or while execution is frozen, and a phase
-- out of order. Halts: halt.sql.
CREATE OR REPLACE FUNCTION remediation.step_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE x record; l record; before text[];
BEGIN
  SELECT e.proposal_id, p.state INTO x FROM public.remediation_execution e
    JOIN public.remediation_proposal p ON p.id = e.proposal_id WHERE e.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(x.proposal_id);
  SELECT p.state INTO x.state FROM public.remediation_proposal p WHERE p.id = x.proposal_id;
  IF NOT (x.state IN ('executing', 'unknown')
          OR x.state = 'stopped' AND NEW.phase IN ('undo_intended', 'undone', 'undo_failed')) THEN
    PERFORM remediation.refuse_v1('step_state', 'the proposal is not being executed');
  END IF;
  -- Only people give access back (promise 11): whoever has the worker's login cannot begin it alone.
  IF NEW.phase LIKE 'undo%' AND NOT remediation.undo_signed_v1(x.proposal_id) THEN
    PERFORM remediation.refuse_v1('undo_unsigned', 'nobody signed that this run is undone');
  END IF;
  SELECT k.token, k.until INTO l FROM public.remediation_proposaltarget t
    JOIN public.remediation_lease k ON k.target = t.locator
   WHERE t.proposal_id = x.proposal_id AND t.step = NEW.step;
  -- A worker that comes back after the end of its lease writes nothing.
  IF l IS NULL OR l.token <> NEW.token OR l.until <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('stale_token', 'the lease on the target is not held with this token');
  END IF;
  SELECT coalesce(array_agg(s.phase::text), '{}') INTO before FROM public.remediation_steprecord s
   WHERE s.execution_id = NEW.execution_id AND s.step = NEW.step;
  IF NEW.phase = 'intended' THEN
    IF x.state <> 'executing' THEN
      PERFORM remediation.refuse_v1('step_state', 'the proposal is not being executed');
    END IF;
    IF remediation.frozen_v1() THEN
      PERFORM remediation.refuse_v1('frozen', 'all execution is frozen');
    END IF;
    IF (remediation.run_deadline_v1(x.proposal_id) > clock_timestamp()) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('deadline', 'the time to run has passed');
    END IF;
    IF NEW.step > 0 AND NOT EXISTS (
         SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
            AND s.step = NEW.step - 1 AND s.phase = 'verified') THEN
      PERFORM remediation.refuse_v1('step_order', 'the step before is not verified');
    END IF;
    -- A run that is ending or being undone begins no further step.
    IF EXISTS (SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
                  AND s.phase NOT IN ('intended', 'applied', 'verified')) THEN
      PERFORM remediation.refuse_v1('step_order', 'the run is ending');
    END IF;
  ELSIF (NEW.phase IN ('applied', 'failed', 'unknown') AND NOT 'intended' = ANY (before))
     OR (NEW.phase IN ('verified', 'unconfirmed') AND NOT 'applied' = ANY (before))
     OR (NEW.phase IN ('undo_intended', 'undo_failed') AND NOT before && '{applied,failed}')
     OR (NEW.phase = 'undone' AND NOT 'undo_intended' = ANY (before)) THEN
    PERFORM remediation.refuse_v1('step_order', 'a phase came before the one that it follows');
  ELSIF (NEW.phase IN ('failed', 'unknown') AND 'applied' = ANY (before))
     OR (NEW.phase = 'applied' AND 'failed' = ANY (before))
     OR (NEW.phase = 'unconfirmed' AND 'verified' = ANY (before))
     OR (NEW.phase = 'verified' AND 'unconfirmed' = ANY (before))
     OR (NEW.phase = 'undone' AND 'undo_failed' = ANY (before))
     OR (NEW.phase LIKE 'undo\_%' AND 'undone' = ANY (before)) THEN
    PERFORM remediation.refuse_v1('step_order', 'a phase contradicts one on record');
  END IF;
  RETURN NEW;
END $$;

-- Refuses a statement that is not about this run and this person, or not for this state.
-- An undo is signed by one person, so it is an emergency measure: possible while the run goes on, and for
-- one hour after it stopped. Later the target may have new owners and new reasons to be as it is, and
-- giving access back asks for a full review (a reversal).
CREATE OR REPLACE FUNCTION remediation.halt_statement_v1(proposal uuid, person uuid, statement bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE s jsonb; p record; decision text;
BEGIN
  PERFORM remediation.lock_proposal_v1($1);
  SELECT x.state, x.round, x.plan_digest INTO p FROM public.remediation_proposal x WHERE x.id = $1;
  s := convert_from($3, 'UTF8')::jsonb;
  decision := s ->> 'decision';
  IF s ->> 'type' IS DISTINCT FROM 'hitlportal-halt/v2'
     OR (decision IN ('keep', 'undo', 'settle')) IS NOT TRUE
     OR s ->> 'proposal' IS DISTINCT FROM $1::text OR s ->> 'round' IS DISTINCT FROM p.round::text
     OR s ->> 'plan' IS DISTINCT FROM p.plan_digest OR s ->> 'person' IS DISTINCT FROM $2::text THEN
    PERFORM remediation.refuse_v1('halt_digest', 'what was signed is not about this run');
  END IF;
  IF (p.state = ANY (CASE decision WHEN 'keep' THEN ARRAY['executing']
                                   WHEN 'undo' THEN ARRAY['executing', 'stopped']
                                   ELSE ARRAY['unknown', 'stopped'] END)) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('halt_state', CASE decision
      WHEN 'keep' THEN 'only a run in progress can be halted'
      WHEN 'undo' THEN 'only a run in progress, or one that just stopped, can be undone'
      ELSE 'only a run that is unknown or stopped is settled by hand' END);
  END IF;
  IF (s ->> 'found' = ANY (CASE WHEN decision = 'settle' AND p.state = 'unknown'
                                THEN ARRAY['applied', 'not_applied'] ELSE ARRAY[''] END)) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('halt_found',
      'what was found is said of an unknown run, and of no other');
  END IF;
  IF decision = 'undo' AND p.state = 'stopped' AND NOT EXISTS (
       SELECT 1 FROM public.remediation_transition t
        WHERE t.proposal_id = $1 AND t.to_state = 'stopped'
          AND t.recorded_at > clock_timestamp() - interval '1 hour') THEN
    PERFORM remediation.refuse_v1('halt_late',
      'the run stopped more than an hour ago: giving access back asks for a reversal');
  END IF;
END $$;

-- Returns why a statement comes too late to have an effect; '' if it can have one. One without effect is
-- refused, so that nobody believes that it had. A statement that is not verified yet blocks no other one:
-- it may be a forgery.
CREATE OR REPLACE FUNCTION remediation.halt_late_v1(proposal uuid, decision text, state text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE steps integer; begun integer; verified integer; ending boolean; undoing boolean; left_ boolean;
BEGIN
  IF $2 = 'settle' THEN
    RETURN CASE WHEN $3 = 'stopped' AND remediation.settled_v1($1)
                THEN 'the run is settled by hand already' ELSE '' END;
  END IF;
  SELECT count(*) INTO steps FROM public.remediation_proposaltarget t WHERE t.proposal_id = $1;
  SELECT count(*) FILTER (WHERE s.phase = 'intended'), count(*) FILTER (WHERE s.phase = 'verified'),
         coalesce(bool_or(s.phase NOT IN ('intended', 'applied', 'verified')), false),
         coalesce(bool_or(s.phase IN ('undo_intended', 'undone', 'undo_failed')), false),
         coalesce(bool_or(s.phase = 'applied'), false)
    INTO begun, verified, ending, undoing, left_
    FROM public.remediation_steprecord s
    JOIN public.remediation_execution x ON x.id = s.execution_id WHERE x.proposal_id = $1;
  IF $2 = 'keep' THEN
    RETURN CASE WHEN begun >= steps OR ending THEN 'no step is left that has not begun'
                WHEN remediation.signed_v1($1, ARRAY['keep', 'undo', 'halt']) THEN 'the run is halted already'
                ELSE '' END;
  END IF;
  RETURN CASE WHEN undoing OR remediation.undo_signed_v1($1) THEN 'the undoing has begun already'
              WHEN $3 = 'executing' AND verified >= steps THEN 'every step is done: propose a reversal'
              WHEN $3 = 'stopped' AND NOT left_ THEN 'nothing that was applied is on record'
              ELSE '' END;
END $$;

-- A statement counts only from a lead or an approver who is not excluded, with the decision and the reason
-- that were signed, and only while there is something left to stop, to undo or to settle.
CREATE OR REPLACE FUNCTION remediation.halt_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; p record; why text; e jsonb;
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
    PERFORM remediation.refuse_v1('halt_assertion', 'it is signed with a passkey');
  END IF;
  IF convert_from(NEW.statement, 'UTF8')::jsonb ->> 'reason' IS DISTINCT FROM NEW.reason
     OR length(btrim(NEW.reason)) < 10 THEN
    PERFORM remediation.refuse_v1('halt_reason',
      'a halt needs the reason that was signed, of at least 10 characters');
  END IF;
  -- The entry says what was signed, and with what, so that outsiders can verify it.
  SELECT convert_from(x.body, 'UTF8')::jsonb -> 'data' INTO e FROM audit.entry x WHERE x.id = NEW.entry;
  IF e -> 'statement' IS DISTINCT FROM convert_from(NEW.statement, 'UTF8')::jsonb
     OR e -> 'assertion' ->> 'signature' IS DISTINCT FROM
        rtrim(translate(encode(NEW.signature, 'base64'), E'+/\n', '-_'), '=') THEN
    PERFORM remediation.refuse_v1('halt_entry', 'the audit entry holds another statement or signature');
  END IF;
  IF convert_from(NEW.statement, 'UTF8')::jsonb ->> 'decision' IS DISTINCT FROM NEW.decision THEN
    PERFORM remediation.refuse_v1('halt_digest', 'another decision was signed');
  END IF;
  SELECT x.round, x.state INTO p FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
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
                                             AND (a.slots ? 'any' OR EXISTS (
                               SELECT 1 FROM jsonb_array_elements_text(a.slots) AS s(slot)
                                WHERE split_part(s.slot, ':', 1) = e.role))))) THEN
    PERFORM remediation.refuse_v1('halt_entitlement', 'only an approver of the proposal or a lead may halt');
  END IF;
  why := remediation.halt_late_v1(NEW.proposal_id, NEW.decision, p.state);
  IF why <> '' THEN
    PERFORM remediation.refuse_v1('halt_late', why);
  END IF;
  RETURN NEW;
END $$;

-- Wakes a worker for a statement about a run that no worker holds. A worker that runs a plan asks before
-- each step by itself.
CREATE OR REPLACE FUNCTION remediation.halt_outbox_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public.remediation_outboxmessage (proposal_id, kind, round, recorded_at)
  SELECT p.id, CASE NEW.decision WHEN 'settle' THEN 'settle_run' ELSE 'undo' END, p.round, clock_timestamp()
    FROM public.remediation_proposal p
   WHERE p.id = NEW.proposal_id AND p.state IN ('stopped', 'unknown');
  RETURN NULL;
END $$;

-- The worker's finding about a statement, while it can have an effect, in an entry about the same proposal.
CREATE OR REPLACE FUNCTION remediation.halt_verdict_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE of uuid;
BEGIN
  SELECT h.proposal_id INTO of FROM public.remediation_halt h WHERE h.id = NEW.halt_id;
  PERFORM remediation.lock_proposal_v1(of);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || of, NEW.actor);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = of AND p.state IN ('executing', 'unknown', 'stopped')) THEN
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
        WHERE h.proposal_id = halted AND h.decision <> 'settle' AND NOT EXISTS (
          SELECT 1 FROM public.remediation_haltverdict w WHERE w.halt_id = h.id AND w.refusal <> '')) THEN
    PERFORM remediation.refuse_v1('halted', 'a person halted this run');
  END IF;
  RETURN NEW;
END $$;

-- How many plans of this person can still run.
CREATE OR REPLACE FUNCTION remediation.open_plans_v1(person uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) FROM public.remediation_proposal p
   WHERE p.planner = $1 AND p.state IN ('submitted', 'in_review', 'approved', 'executing', 'unknown')
$$;

-- The urgency of a row of the queue, as a text that sorts: state, risk, deadline, then the time of
-- detection. Never arrival alone, or an agent could push an incident down (A34). A run that stopped in the
-- middle stands first until a person has settled it ('settled'). What has ended stands behind all that is
-- open, the newest first.
CREATE OR REPLACE FUNCTION remediation.urgency_v1(
  state text, risk text, due timestamptz, detected timestamptz, moved timestamptz, id uuid)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN $1 NOT IN ('stopped', 'in_review', 'submitted', 'approved', 'executing', 'unknown')
    THEN '9' || (9999999999999999 - remediation.digits_v1($5)::bigint)::text || $6
    ELSE CASE $1 WHEN 'stopped' THEN '0' WHEN 'in_review' THEN '1' WHEN 'submitted' THEN '2' ELSE '3' END
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
         array_to_tsvector(remediation.words_v1(concat_ws(' ', i.title, t.every, n.names, g.name)))
    FROM public.remediation_proposal p
    JOIN public.remediation_incident i ON i.id = p.incident_id
    JOIN public.remediation_agent g ON g.id = p.agent_id
    LEFT JOIN public.remediation_assessment a ON a.proposal_id = p.id AND a.round = p.round
    CROSS JOIN LATERAL (
      SELECT min(l.locator) FILTER (WHERE l.step = 0) AS first, string_agg(l.locator, ' ') AS every
        FROM public.remediation_proposaltarget l WHERE l.proposal_id = p.id) AS t
    -- People search for a name as it is; where the locator escapes it, the plan has it.
    CROSS JOIN LATERAL (
      SELECT CASE WHEN strpos(t.every, '%') > 0 THEN (
               SELECT string_agg(f.value, ' ')
                 FROM jsonb_array_elements(convert_from(p.plan, 'UTF8')::jsonb -> 'steps') AS s(step)
                CROSS JOIN LATERAL jsonb_each_text(s.step -> 'target') AS f) END AS names) AS n
    CROSS JOIN LATERAL (
      SELECT max(m.recorded_at) AS at FROM public.remediation_transition m WHERE m.proposal_id = p.id) AS m
    CROSS JOIN LATERAL (
      SELECT CASE p.state WHEN 'submitted' THEN p.recorded_at + interval '24 hours'
                          WHEN 'in_review' THEN a.decide_by
                          WHEN 'approved' THEN remediation.run_deadline_v1(p.id) END AS due) AS c
    CROSS JOIN LATERAL (
      SELECT remediation.urgency_v1(CASE WHEN p.state = 'stopped' AND remediation.settled_v1(p.id)
                                         THEN 'settled' ELSE p.state END, a.risk, c.due, i.detected_at, coalesce(m.at, p.recorded_at), p.id)
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

CREATE OR REPLACE FUNCTION remediation.queue_settled_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(h.proposal_id) FROM public.remediation_halt h
    JOIN public.remediation_proposal p ON p.id = h.proposal_id AND p.state = 'stopped'
   WHERE h.id = NEW.halt_id;
  RETURN NULL;
END $$;

ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_state_known;
ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_state_known CHECK (state::text IN (
    'submitted', 'in_review', 'approved', 'executing', 'succeeded', 'failed', 'stopped', 'rolled_back',
    'unknown', 'rejected', 'returned', 'withdrawn', 'superseded', 'expired', 'refused'));

DROP FUNCTION remediation.answer_statement_v1(uuid, jsonb);
DROP FUNCTION remediation.wait_fact_v1();
DROP FUNCTION remediation.wait_v1();
DROP FUNCTION remediation.refuse_no_wait_v1(uuid);
DROP FUNCTION remediation.refuse_held_v1(uuid, boolean);
DROP FUNCTION remediation.asks_v1(bigint);
DROP FUNCTION remediation.held_v1(bigint);
DROP FUNCTION remediation.unmet_v1(bigint);
DROP FUNCTION remediation.wait_deadline_v1(bigint);
DROP FUNCTION remediation.answers_v1(bigint);
DROP FUNCTION remediation.wait_of_v1(uuid);
DROP FUNCTION remediation.queue_wait_v1();
DROP FUNCTION remediation.waited_v1(uuid);
