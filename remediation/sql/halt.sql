-- A halt: a person stops a run between two steps, signed with a passkey. It can only stop: nothing needs
-- it to continue. The lock on the proposal decides whether the halt or the next step came first.
--
-- The database cannot verify a passkey. It keeps statement and assertion, and refuses the next step
-- unless the worker has found that the halt is not valid.

-- Small, as the rows of a review are (review.sql).
ALTER TABLE public.remediation_haltsession
  ADD CONSTRAINT halt_session_size CHECK (octet_length(statement) <= 32768);
ALTER TABLE public.remediation_halt
  ADD CONSTRAINT halt_size CHECK (octet_length(statement) <= 32768
    AND greatest(octet_length(credential_id), octet_length(authenticator_data),
                 octet_length(client_data_json), octet_length(signature),
                 octet_length(cose_key)) <= 8192);

-- Refuses a statement that is not about this run and this person.
CREATE FUNCTION remediation.halt_statement_v1(proposal uuid, person uuid, statement bytea)
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

-- A composed statement can be signed for five minutes.
CREATE FUNCTION remediation.halt_session_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE s jsonb;
BEGIN
  PERFORM remediation.halt_statement_v1(NEW.proposal_id, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  s := convert_from(NEW.statement, 'UTF8')::jsonb;
  IF (s ->> 'expires')::timestamptz IS DISTINCT FROM NEW.expires_at OR s ->> 'nonce' IS DISTINCT FROM NEW.nonce
     OR NEW.expires_at > clock_timestamp() + interval '5 minutes 5 seconds'
     OR NEW.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('halt_session_life', 'a statement is valid for five minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_haltsession
  FOR EACH ROW EXECUTE FUNCTION remediation.halt_session_v1();
ALTER TABLE public.remediation_haltsession ENABLE ALWAYS TRIGGER guard;

-- A halt counts only from a lead or an approver who is not excluded, with the reason that was signed,
-- and only while there is a step left to stop.
CREATE FUNCTION remediation.halt_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_halt
  FOR EACH ROW EXECUTE FUNCTION remediation.halt_v2();
ALTER TABLE public.remediation_halt ENABLE ALWAYS TRIGGER guard;

-- The worker's finding about a halt, while the run is open, in an entry about the same proposal.
CREATE FUNCTION remediation.halt_verdict_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_haltverdict
  FOR EACH ROW EXECUTE FUNCTION remediation.halt_verdict_v1();
ALTER TABLE public.remediation_haltverdict ENABLE ALWAYS TRIGGER guard;

-- Returns whether a person signed that this run is undone, and the worker verified it.
CREATE FUNCTION remediation.undo_signed_v1(proposal uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_halt h
                   JOIN public.remediation_haltverdict w ON w.halt_id = h.id AND w.refusal = ''
                  WHERE h.proposal_id = $1)
$$;

-- Refuses a new step while there is a halt that the worker has not found invalid. Rollback may go on.
-- Fires after `guard` (execution.sql), by its name.
CREATE FUNCTION remediation.step_halt_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER halt BEFORE INSERT ON public.remediation_steprecord
  FOR EACH ROW EXECUTE FUNCTION remediation.step_halt_v2();
ALTER TABLE public.remediation_steprecord ENABLE ALWAYS TRIGGER halt;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
