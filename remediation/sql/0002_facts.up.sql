-- Facts: insert-only, with the database's time and an audit entry of the same transaction.
CREATE SCHEMA remediation;

-- A named refusal that reaches Django as IntegrityError with the constraint's name.
CREATE FUNCTION remediation.refuse_v1(rule text, message text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '%: %', rule, message USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END $$;

-- Domain-separated SHA-256 (remediation/domain/digest.py): the database computes it again.
CREATE FUNCTION remediation.digest_v1(kind text, body bytea) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT encode(sha256(convert_to('hitlportal/' || kind || '/v1', 'UTF8') || '\x00'::bytea || body), 'hex')
$$;

CREATE FUNCTION remediation.fact_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE said text; who text;
BEGIN
  -- Whatever time was sent, a rule reads the database's.
  NEW.recorded_at := clock_timestamp();
  SELECT convert_from(e.body, 'UTF8')::jsonb ->> 'actor' INTO said FROM audit.entry e
   WHERE e.id = NEW.entry AND e.txid = pg_current_xact_id();
  IF NOT FOUND THEN
    PERFORM remediation.refuse_v1('entry_in_transaction',
      format('entry %s was not written in this transaction', NEW.entry));
  END IF;
  -- Where the row says who acted, the record says the same; the argument names the column.
  IF TG_NARGS > 0 THEN
    CASE TG_ARGV[0]
      WHEN 'actor' THEN who := NEW.actor;
      WHEN 'author' THEN who := NEW.author;
      WHEN 'agent' THEN who := 'agent:' || NEW.agent_id;
      WHEN 'person' THEN who := 'person:' || NEW.person;
      WHEN 'maker' THEN who := 'person:' || NEW.created_by;
      WHEN 'created_by' THEN who := NEW.created_by;
      WHEN 'revoked_by' THEN who := NEW.revoked_by;
    END CASE;
    IF said IS DISTINCT FROM who THEN
      PERFORM remediation.refuse_v1('entry_names', format('the audit entry names %s, the row %s', said, who));
    END IF;
  END IF;
  RETURN NEW;
END $$;

-- Facts that decide also check that their entry speaks of them and of who acts.
CREATE FUNCTION remediation.entry_names_v1(entry bigint, object text, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE said jsonb;
BEGIN
  SELECT convert_from(e.body, 'UTF8')::jsonb INTO said FROM audit.entry e WHERE e.id = $1;
  IF said ->> 'object' IS DISTINCT FROM $2 OR said ->> 'actor' IS DISTINCT FROM $3 THEN
    PERFORM remediation.refuse_v1('entry_names', 'the audit entry names something or somebody else');
  END IF;
END $$;

-- Rows without an entry of their own whose time a rule reads.
CREATE FUNCTION remediation.clock_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.recorded_at := clock_timestamp();
  RETURN NEW;
END $$;

DO $$
DECLARE t text; f record;
BEGIN
  -- Facts with an entry, and which column says who acted.
  FOR f IN SELECT * FROM (VALUES
    ('', ARRAY['invitationuse', 'service', 'identity', 'dependency', 'agent', 'proposal', 'notice',
               'assessment', 'execution', 'steprecord']),
    ('author', ARRAY['serviceversion', 'identityversion', 'dependencyversion', 'agentversion']),
    ('actor', ARRAY['incidenttransition', 'transition', 'refusal', 'freeze']),
    ('agent', ARRAY['incident', 'incidentreport', 'evidence', 'diagnosis']),
    ('person', ARRAY['observationrequest', 'reviewsession', 'review']),
    ('maker', ARRAY['agenttoken']), ('created_by', ARRAY['invitation']),
    ('revoked_by', ARRAY['agenttokenrevocation'])) AS v(who, tables) LOOP
    FOREACH t IN ARRAY f.tables LOOP
      EXECUTE format('CREATE TRIGGER a_fact BEFORE INSERT ON public.%I
                      FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1(%s)',
                     'remediation_' || t, CASE WHEN f.who <> '' THEN quote_literal(f.who) END);
      EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_fact', 'remediation_' || t);
    END LOOP;
  END LOOP;
  FOREACH t IN ARRAY ARRAY['outboxmessage', 'idempotencyrecord'] LOOP
    EXECUTE format('CREATE TRIGGER a_clock BEFORE INSERT ON public.%I
                    FOR EACH ROW EXECUTE FUNCTION remediation.clock_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_clock', 'remediation_' || t);
  END LOOP;
  -- Insert-only. The proposal has a guard of its own (0003), since its state moves.
  FOREACH t IN ARRAY ARRAY[
    'invitation', 'invitationuse', 'service', 'serviceversion', 'identity', 'identityversion',
    'dependency', 'dependencyversion', 'agent', 'agentversion', 'agenttoken',
    'agenttokenrevocation', 'incident', 'incidenttransition', 'incidentreport', 'evidence',
    'evidenceblob', 'diagnosis', 'proposaltarget', 'transition', 'outboxmessage',
    'observationrequest', 'refusal', 'notice', 'assessment', 'assessmentservice',
    'reviewsession', 'review', 'execution', 'steprecord', 'freeze', 'idempotencyrecord'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                    ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
  END LOOP;
END $$;

CREATE FUNCTION remediation.invitation_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.expires_at := clock_timestamp() + interval '15 minutes';
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitation
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_v1();
ALTER TABLE public.remediation_invitation ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION remediation.invitation_use_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.remediation_invitation i
                  WHERE i.id = NEW.invitation_id AND i.expires_at > clock_timestamp()) THEN
    PERFORM remediation.refuse_v1('invitation_expired', 'the code is older than 15 minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitationuse
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_use_v1();
ALTER TABLE public.remediation_invitationuse ENABLE ALWAYS TRIGGER guard;

ALTER TABLE public.remediation_evidenceblob
  ADD CONSTRAINT evidence_blob_digest CHECK (sha256 = encode(pg_catalog.sha256(content), 'hex'));
ALTER TABLE public.remediation_diagnosis
  ADD CONSTRAINT diagnosis_digest CHECK (digest = remediation.digest_v1('diagnosis', body));
ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_digest CHECK (plan_digest = remediation.digest_v1('plan', plan)),
  ADD CONSTRAINT proposal_plan_size CHECK (octet_length(plan) <= 32768),
  ADD CONSTRAINT proposal_state_known CHECK (state IN (
    'submitted', 'in_review', 'approved', 'executing', 'succeeded', 'failed', 'rolled_back',
    'unknown', 'rejected', 'returned', 'withdrawn', 'superseded', 'expired', 'refused'));
ALTER TABLE public.remediation_agenttoken
  ADD CONSTRAINT agent_token_life CHECK (expires_at <= recorded_at + interval '366 days');
