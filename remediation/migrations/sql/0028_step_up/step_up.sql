-- Acts that a person signed with the passkey, each statement once: a session cookie alone does none of them.
-- The entry holds statement and assertion; the database cannot verify a signature, an auditor can.
CREATE TABLE remediation.step_up (
  nonce text CONSTRAINT step_up_once PRIMARY KEY,
  entry bigint NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  person uuid NOT NULL,
  act text NOT NULL,
  object text NOT NULL,
  expires_at timestamptz NOT NULL);
CREATE INDEX step_up_entry ON remediation.step_up (entry);
CREATE TRIGGER a_fact BEFORE INSERT ON remediation.step_up
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
ALTER TABLE remediation.step_up ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON remediation.step_up
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE remediation.step_up ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION remediation.step_up_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE signed jsonb;
BEGIN
  IF NOT NEW.expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '5 minutes' THEN
    PERFORM remediation.refuse_v1('step_up_expired', 'a statement holds for five minutes');
  END IF;
  SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' -> 'step_up' INTO signed
    FROM audit.entry e WHERE e.id = NEW.entry;
  IF (signed -> 'statement' ->> 'nonce', signed -> 'statement' ->> 'person', signed -> 'statement' ->> 'act',
      signed -> 'statement' ->> 'object')
     IS DISTINCT FROM (NEW.nonce, NEW.person::text, NEW.act, NEW.object)
     OR signed -> 'assertion' ->> 'signature' IS NULL THEN
    PERFORM remediation.refuse_v1('step_up_entry', 'the audit entry holds no signed statement of this act');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER step_up BEFORE INSERT ON remediation.step_up
  FOR EACH ROW EXECUTE FUNCTION remediation.step_up_v1();
ALTER TABLE remediation.step_up ENABLE ALWAYS TRIGGER step_up;

-- To observe again voids what others signed, so the person signs it: a session cookie alone does not.
CREATE FUNCTION remediation.observation_signed_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM remediation.step_up s
                  WHERE s.entry = NEW.entry AND s.person = NEW.person AND s.act = 'observe_again'
                    AND s.object = 'proposal:' || NEW.proposal_id) THEN
    PERFORM remediation.refuse_v1('observation_unsigned', 'no passkey signed that it is observed again');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER signed BEFORE INSERT ON public.remediation_observationrequest
  FOR EACH ROW EXECUTE FUNCTION remediation.observation_signed_v1();
ALTER TABLE public.remediation_observationrequest ENABLE ALWAYS TRIGGER signed;
