-- The facts that were added, as facts.sql makes its guards.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['wait', 'waitlook', 'waitoverdue', 'resumption'] LOOP
    EXECUTE format('CREATE TRIGGER a_fact BEFORE INSERT ON public.%I
                    FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_fact', 'remediation_' || t);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                    ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
  END LOOP;
END $$;
