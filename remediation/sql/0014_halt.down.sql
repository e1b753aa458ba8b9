DROP TRIGGER halt ON public.remediation_steprecord;
DROP FUNCTION remediation.step_halt_v1();
DROP TRIGGER guard ON public.remediation_halt;
DROP FUNCTION remediation.halt_v1();
DROP TRIGGER append_only ON public.remediation_halt;
DROP TRIGGER a_fact ON public.remediation_halt;
