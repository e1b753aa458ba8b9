-- The time that was signed is the time that counts.
CREATE OR REPLACE FUNCTION remediation.step_up_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE signed jsonb;
BEGIN
  IF NOT NEW.expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '5 minutes' THEN
    PERFORM remediation.refuse_v1('step_up_expired', 'a statement holds for five minutes');
  END IF;
  SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' -> 'step_up' INTO signed
    FROM audit.entry e WHERE e.id = NEW.entry;
  -- With the time that was signed: otherwise a signature that nobody used would never expire here.
  IF (signed -> 'statement' ->> 'nonce', signed -> 'statement' ->> 'person', signed -> 'statement' ->> 'act',
      signed -> 'statement' ->> 'object', (signed -> 'statement' ->> 'expires')::timestamptz)
     IS DISTINCT FROM (NEW.nonce, NEW.person::text, NEW.act, NEW.object, NEW.expires_at)
     OR signed -> 'assertion' ->> 'signature' IS NULL THEN
    PERFORM remediation.refuse_v1('step_up_entry', 'the audit entry holds no signed statement of this act');
  END IF;
  RETURN NEW;
END $$;
