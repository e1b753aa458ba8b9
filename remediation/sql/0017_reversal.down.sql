DROP TRIGGER reversal ON public.remediation_proposal;
DROP FUNCTION remediation.reversal_v1();
