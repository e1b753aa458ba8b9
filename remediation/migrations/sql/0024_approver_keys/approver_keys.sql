-- The fact that was added, as facts.sql makes its guards.
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_approverkey
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('actor');
ALTER TABLE public.remediation_approverkey ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.remediation_approverkey FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_approverkey ENABLE ALWAYS TRIGGER append_only;
