ALTER TABLE public.remediation_agenttoken DROP CONSTRAINT agent_token_life;
ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_state_known,
  DROP CONSTRAINT proposal_plan_size, DROP CONSTRAINT proposal_digest;
ALTER TABLE public.remediation_diagnosis DROP CONSTRAINT diagnosis_digest;
ALTER TABLE public.remediation_evidenceblob DROP CONSTRAINT evidence_blob_digest;
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE NOT t.tgisinternal AND c.relname LIKE 'remediation\_%'
              AND t.tgname IN ('a_fact', 'a_clock', 'append_only', 'guard') LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', r.tgname, r.relname);
  END LOOP;
END $$;
DROP FUNCTION remediation.invitation_use_v1();
DROP FUNCTION remediation.invitation_v1();
DROP FUNCTION remediation.clock_v1();
DROP FUNCTION remediation.entry_names_v1(bigint, text, text);
DROP FUNCTION remediation.fact_v1();
DROP FUNCTION remediation.digest_v1(text, bytea);
DROP FUNCTION remediation.refuse_v1(text, text);
DROP SCHEMA remediation;
