-- Enrolled passkeys are facts: insert-only, with the database's time and an entry.
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_passkeyenrolment
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
ALTER TABLE public.remediation_passkeyenrolment ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_passkeyenrolment
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_passkeyenrolment ENABLE ALWAYS TRIGGER append_only;

-- `approver add USER`: from a user name to the opaque person. Facts hold no names, so that a
-- person can be erased; a view shows what is true now.
CREATE VIEW remediation.account AS
  SELECT u.person, u.username, u.is_active AS active, u.is_superuser AS superuser
    FROM public.remediation_user u;
