DROP TRIGGER a_fact ON public.remediation_approverkey;
DROP TRIGGER append_only ON public.remediation_approverkey;
