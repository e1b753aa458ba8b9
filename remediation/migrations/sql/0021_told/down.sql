DROP TRIGGER a_writer ON public.remediation_telling;
DROP FUNCTION remediation.telling_v1();
DROP TRIGGER a_clock ON public.remediation_delivery;
DROP TRIGGER append_only ON public.remediation_delivery;
DROP TRIGGER append_only ON public.remediation_telling;
DROP TRIGGER append_only ON public.remediation_noticechoice;
DROP TRIGGER append_only ON public.remediation_noticechannel;
DROP TRIGGER a_fact ON public.remediation_noticechoice;
DROP TRIGGER a_fact ON public.remediation_noticechannel;
