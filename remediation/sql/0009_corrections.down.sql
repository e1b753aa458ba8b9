DROP TRIGGER guard ON public.remediation_diagnosis;
DROP TRIGGER a_fact ON public.remediation_diagnosis;
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_diagnosis
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('agent');
ALTER TABLE public.remediation_diagnosis ENABLE ALWAYS TRIGGER a_fact;
DROP FUNCTION remediation.diagnosis_v1();
