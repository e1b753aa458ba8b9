DROP VIEW remediation.account;
DROP TRIGGER append_only ON public.remediation_passkeyenrolment;
DROP TRIGGER a_fact ON public.remediation_passkeyenrolment;
