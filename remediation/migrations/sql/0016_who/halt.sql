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
