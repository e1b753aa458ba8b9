-- Tellings: who is to be told what.

-- Stamps time and login. The login is part of the key that tells a person once, so that a taken-over web
-- process cannot keep the worker from telling by using its key first. An invoker function, for current_user.
CREATE FUNCTION remediation.telling_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.recorded_at := clock_timestamp();
  NEW.writer := current_user;
  RETURN NEW;
END $$;
CREATE TRIGGER a_writer BEFORE INSERT ON public.remediation_telling
  FOR EACH ROW EXECUTE FUNCTION remediation.telling_v1();
ALTER TABLE public.remediation_telling ENABLE ALWAYS TRIGGER a_writer;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
