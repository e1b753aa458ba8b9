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
  IF s ->> 'type' IS DISTINCT FROM (CASE WHEN decision IN ('go_on', 'longer') THEN 'hitlportal-halt/v3'
                                         ELSE 'hitlportal-halt/v2' END)
     OR (decision IN ('keep', 'undo', 'settle', 'go_on', 'longer')) IS NOT TRUE
     OR s ->> 'proposal' IS DISTINCT FROM $1::text OR s ->> 'round' IS DISTINCT FROM p.round::text
     OR s ->> 'plan' IS DISTINCT FROM p.plan_digest OR s ->> 'person' IS DISTINCT FROM $2::text THEN
    PERFORM remediation.refuse_v1('halt_digest', 'what was signed is not about this run');
  END IF;
  IF (p.state = ANY (CASE decision WHEN 'keep' THEN ARRAY['executing', 'waiting']
                                   WHEN 'undo' THEN ARRAY['executing', 'waiting', 'stopped']
                                   WHEN 'settle' THEN ARRAY['unknown', 'stopped']
                                   ELSE ARRAY['waiting'] END)) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('halt_state', CASE decision
      WHEN 'keep' THEN 'only a run in progress can be halted'
      WHEN 'undo' THEN 'only a run in progress, or one that just stopped, can be undone'
      WHEN 'go_on' THEN 'only a run that waits can go on'
      WHEN 'longer' THEN 'only a run that waits can wait longer'
      ELSE 'only a run that is unknown or stopped is settled by hand' END);
  END IF;
  IF decision IN ('go_on', 'longer') THEN
    PERFORM remediation.answer_statement_v1($1, s);
    RETURN;
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
  IF $2 IN ('go_on', 'longer') THEN
    RETURN CASE WHEN ending OR remediation.signed_v1($1, ARRAY['keep', 'undo', 'halt'])
                THEN 'the run is halted already' ELSE '' END;
  END IF;
  IF $2 = 'keep' THEN
    RETURN CASE WHEN begun >= steps AND $3 <> 'waiting' OR ending THEN 'no step is left that has not begun'
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
  -- Going on is a verdict like those of the round, so a lead's role is not enough for it.
  IF NEW.decision = 'go_on' AND NOT EXISTS (
       SELECT 1 FROM public.remediation_assessment a
        CROSS JOIN LATERAL jsonb_array_elements_text(a.slots) AS s(slot)
        WHERE a.proposal_id = NEW.proposal_id AND a.round = p.round
          AND remediation.may_fill_v1(NEW.person, NEW.proposal_id, p.round, s.slot)) THEN
    PERFORM remediation.refuse_v1('halt_entitlement', 'only a person who can approve the proposal lets it go on');
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
  SELECT p.id, CASE WHEN p.state = 'waiting' THEN 'answer' WHEN NEW.decision = 'settle' THEN 'settle_run'
                    ELSE 'undo' END, p.round, clock_timestamp()
    FROM public.remediation_proposal p
   WHERE p.id = NEW.proposal_id AND p.state IN ('stopped', 'unknown', 'waiting');
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
                  WHERE p.id = of AND p.state IN ('executing', 'waiting', 'unknown', 'stopped')) THEN
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
        WHERE h.proposal_id = halted AND h.decision NOT IN ('settle', 'go_on', 'longer') AND NOT EXISTS (
          SELECT 1 FROM public.remediation_haltverdict w WHERE w.halt_id = h.id AND w.refusal <> '')) THEN
    PERFORM remediation.refuse_v1('halted', 'a person halted this run');
  END IF;
  RETURN NEW;
END $$;
