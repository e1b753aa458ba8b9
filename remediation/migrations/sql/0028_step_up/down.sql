DROP TRIGGER signed ON public.remediation_observationrequest;
DROP FUNCTION remediation.observation_signed_v1();
DROP TABLE remediation.step_up;
DROP FUNCTION remediation.step_up_v1();
