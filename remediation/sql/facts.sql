-- Facts: insert-only rows with the database's time and an audit entry of the same transaction.
-- Applied first, because every other file uses this schema and these functions.
CREATE SCHEMA remediation;

-- Raises a named refusal, which Django gets as IntegrityError with the rule as the constraint's name.
CREATE FUNCTION remediation.refuse_v1(rule text, message text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '%: %', rule, message USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END $$;

-- The domain-separated SHA-256 of remediation/domain/digest.py; the database computes it again.
CREATE FUNCTION remediation.digest_v1(kind text, body bytea) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT encode(sha256(convert_to('hitlportal/' || kind || '/v1', 'UTF8') || '\x00'::bytea || body), 'hex')
$$;

-- For every fact: sets the time, and refuses a row whose audit entry is of another transaction or names
-- another actor. The trigger's argument names the actor's column.
CREATE FUNCTION remediation.fact_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE said text; who text;
BEGIN
  -- Rules read the database's time, never the caller's.
  NEW.recorded_at := clock_timestamp();
  SELECT convert_from(e.body, 'UTF8')::jsonb ->> 'actor' INTO said FROM audit.entry e
   WHERE e.id = NEW.entry AND e.txid = pg_current_xact_id();
  IF NOT FOUND THEN
    PERFORM remediation.refuse_v1('entry_in_transaction',
      format('entry %s was not written in this transaction', NEW.entry));
  END IF;
  -- A row that says who acted must say what its audit entry says; the argument names the column.
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

-- Refuses a row whose audit entry is about another object or names another actor. The guards of facts
-- that decide something call it.
CREATE FUNCTION remediation.entry_names_v1(entry bigint, object text, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE said jsonb;
BEGIN
  SELECT convert_from(e.body, 'UTF8')::jsonb INTO said FROM audit.entry e WHERE e.id = $1;
  IF said ->> 'object' IS DISTINCT FROM $2 OR said ->> 'actor' IS DISTINCT FROM $3 THEN
    PERFORM remediation.refuse_v1('entry_names', 'the audit entry names something or somebody else');
  END IF;
END $$;

-- Sets the time of rows that have no audit entry but whose time a rule reads.
CREATE FUNCTION remediation.clock_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.recorded_at := clock_timestamp();
  RETURN NEW;
END $$;

-- All tables of facts. Each is insert-only, and each of its rows has an audit
-- entry. A statement trigger also covers an UPDATE of no row, ON CONFLICT DO UPDATE, MERGE and TRUNCATE.
-- ALWAYS: session_replication_role = replica does not switch a guard off.
DO $$
DECLARE t text; f record;
BEGIN
  FOR f IN SELECT * FROM (VALUES
    ('', ARRAY['invitationuse', 'service', 'identity', 'dependency', 'agent', 'diagnosis', 'evidencescan',
               'evidenceerasure', 'proposal', 'notice', 'incidentnotice', 'noticechannel', 'assessment', 'execution',
               'steprecord', 'lateresult', 'ownerteam', 'environmentname', 'wait', 'waitlook', 'waitoverdue',
               'resumption', 'seenagain']),
    ('author', ARRAY['serviceversion', 'identityversion', 'dependencyversion', 'agentversion']),
    ('actor', ARRAY['incidenttransition', 'incidentlook', 'incidentassignment', 'transition', 'refusal', 'freeze',
                    'haltverdict', 'liveobservation', 'secretcheck', 'approverkey', 'outcomequestion']),
    ('agent', ARRAY['incident', 'incidentreport', 'evidence', 'choice']),
    ('person', ARRAY['passkeyenrolment', 'observationrequest', 'reviewsession', 'review', 'narrowing', 'haltsession',
                     'halt', 'savedview', 'incidentlookrequest', 'incidentcomment', 'noticechoice',
                     'liverequest', 'outcomeanswer']),
    ('maker', ARRAY['agenttoken']), ('created_by', ARRAY['invitation']),
    ('revoked_by', ARRAY['agenttokenrevocation'])) AS v(who, tables) LOOP
    FOREACH t IN ARRAY f.tables LOOP
      EXECUTE format('CREATE TRIGGER a_fact BEFORE INSERT ON public.%I
                      FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1(%s)',
                     'remediation_' || t, CASE WHEN f.who <> '' THEN quote_literal(f.who) END);
      EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_fact', 'remediation_' || t);
      -- The state of a proposal moves: states.sql guards its row.
      CONTINUE WHEN t = 'proposal';
      EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                      ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()',
                     'remediation_' || t);
      EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
    END LOOP;
  END LOOP;
  -- Rows without an entry of their own: parts of a fact, messages and stored answers.
  FOREACH t IN ARRAY ARRAY['proposaltarget', 'assessmentservice', 'outboxmessage', 'idempotencyrecord',
                           'telling', 'delivery'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                    ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['outboxmessage', 'idempotencyrecord', 'delivery'] LOOP
    EXECUTE format('CREATE TRIGGER a_clock BEFORE INSERT ON public.%I
                    FOR EACH ROW EXECUTE FUNCTION remediation.clock_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_clock', 'remediation_' || t);
  END LOOP;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
