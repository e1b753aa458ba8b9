-- A session carries the epoch of its account and is dead when the account's is another one, for ever: an
-- account that is switched on again, or a role that is given back, revives no session (A88).

-- The epoch rises whenever an account is switched off or on, or loses a power of Django's. Nobody lowers it;
-- nobody makes it so high that it could not rise.
CREATE FUNCTION remediation.session_epoch_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.session_epoch := 0;
    RETURN NEW;
  END IF;
  IF NEW.session_epoch NOT IN (OLD.session_epoch, OLD.session_epoch + 1) THEN
    PERFORM remediation.refuse_v1('session_epoch', 'the epoch of sessions rises, one by one');
  END IF;
  IF NEW.is_active <> OLD.is_active OR NEW.is_superuser < OLD.is_superuser OR NEW.is_staff < OLD.is_staff THEN
    NEW.session_epoch := OLD.session_epoch + 1;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER session_epoch BEFORE INSERT OR UPDATE ON public.remediation_user
  FOR EACH ROW EXECUTE FUNCTION remediation.session_epoch_v1();
ALTER TABLE public.remediation_user ENABLE ALWAYS TRIGGER session_epoch;

-- A role or a passkey that is taken away ends the sessions that were made with it.
CREATE FUNCTION remediation.end_sessions_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE public.remediation_user SET session_epoch = session_epoch + 1 WHERE id = OLD.user_id;
  RETURN NULL;
END $$;
CREATE TRIGGER end_sessions AFTER DELETE ON public.remediation_user_groups
  FOR EACH ROW EXECUTE FUNCTION remediation.end_sessions_v1();
CREATE TRIGGER end_sessions AFTER DELETE ON public.mfa_authenticator
  FOR EACH ROW EXECUTE FUNCTION remediation.end_sessions_v1();
ALTER TABLE public.remediation_user_groups ENABLE ALWAYS TRIGGER end_sessions;
ALTER TABLE public.mfa_authenticator ENABLE ALWAYS TRIGGER end_sessions;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
