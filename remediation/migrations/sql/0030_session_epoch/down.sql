DROP TRIGGER end_sessions ON public.mfa_authenticator;
DROP TRIGGER end_sessions ON public.remediation_user_groups;
DROP TRIGGER session_epoch ON public.remediation_user;
DROP FUNCTION remediation.end_sessions_v1();
DROP FUNCTION remediation.session_epoch_v1();
