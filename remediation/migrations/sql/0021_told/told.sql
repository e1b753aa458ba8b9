DO $$
DECLARE t text;
BEGIN
  CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_noticechannel
    FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1();
  CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_noticechoice
    FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
  FOREACH t IN ARRAY ARRAY['noticechannel', 'noticechoice'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_fact', 'remediation_' || t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['noticechannel', 'noticechoice', 'telling', 'delivery'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                    ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
  END LOOP;
END $$;
CREATE TRIGGER a_clock BEFORE INSERT ON public.remediation_delivery
  FOR EACH ROW EXECUTE FUNCTION remediation.clock_v1();
ALTER TABLE public.remediation_delivery ENABLE ALWAYS TRIGGER a_clock;

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
