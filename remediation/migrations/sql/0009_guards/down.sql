-- Back to the tables of the models alone.
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT t.tgname, c.relname FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
            WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
              AND c.relname LIKE 'remediation\_%' LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', r.tgname, r.relname);
  END LOOP;
END $$;
ALTER TABLE public.remediation_halt DROP CONSTRAINT halt_size;
ALTER TABLE public.remediation_haltsession DROP CONSTRAINT halt_session_size;
ALTER TABLE public.remediation_review DROP CONSTRAINT review_size;
ALTER TABLE public.remediation_reviewsession DROP CONSTRAINT review_session_size;
ALTER TABLE public.remediation_agenttoken DROP CONSTRAINT agent_token_life;
ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_state_known,
  DROP CONSTRAINT proposal_plan_size, DROP CONSTRAINT proposal_digest;
ALTER TABLE public.remediation_diagnosis DROP CONSTRAINT diagnosis_digest;
ALTER TABLE public.remediation_evidenceblob DROP CONSTRAINT evidence_blob_digest;
ALTER TABLE public.remediation_dependencyversion ALTER COLUMN by_reviewer DROP DEFAULT;
DROP INDEX public.queue_wide, public.incident_touched, public.queue_words, public.queue_touched,
  public.dependency_version_gone, public.service_version_by_person, public.service_version_retired;
-- The schema holds nothing but what this migration made.
DROP SCHEMA remediation CASCADE;
