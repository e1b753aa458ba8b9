-- Secrets in evidence: findings are facts; bytes go only with an erasure on record, and stay gone.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['evidencescan', 'evidenceerasure'] LOOP
    EXECUTE format('CREATE TRIGGER a_fact BEFORE INSERT ON public.%I
                    FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_fact', 'remediation_' || t);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                    ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
  END LOOP;
END $$;

-- An erasure is what its entry says: of these bytes, by an operator.
CREATE FUNCTION remediation.evidence_erasure_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Whoever hands the same bytes in waits, and then finds the erasure.
  PERFORM pg_advisory_xact_lock(hashtextextended('evidence:' || NEW.sha256, 0));
  IF NOT EXISTS (
    SELECT 1 FROM audit.entry e
     WHERE e.id = NEW.entry
       AND convert_from(e.body, 'UTF8')::jsonb ->> 'action' = 'operator:evidence:erased'
       AND convert_from(e.body, 'UTF8')::jsonb -> 'data' -> 'erased' ? NEW.sha256) THEN
    PERFORM remediation.refuse_v1('erasure_on_record', 'the audit entry erases something else');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_evidenceerasure
  FOR EACH ROW EXECUTE FUNCTION remediation.evidence_erasure_v1();
ALTER TABLE public.remediation_evidenceerasure ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION remediation.evidence_gone_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM public.remediation_evidenceerasure x JOIN audit.entry e ON e.id = x.entry
     WHERE x.sha256 = OLD.sha256 AND e.txid = pg_current_xact_id()) THEN
    PERFORM remediation.refuse_v1('erasure_on_record',
      format('no erasure of %s was recorded in this transaction', OLD.sha256));
  END IF;
  RETURN OLD;
END $$;
DROP TRIGGER append_only ON public.remediation_evidenceblob;
CREATE TRIGGER no_rewrite BEFORE UPDATE OR TRUNCATE ON public.remediation_evidenceblob
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_evidenceblob ENABLE ALWAYS TRIGGER no_rewrite;
CREATE TRIGGER guard_delete BEFORE DELETE ON public.remediation_evidenceblob
  FOR EACH ROW EXECUTE FUNCTION remediation.evidence_gone_v1();
ALTER TABLE public.remediation_evidenceblob ENABLE ALWAYS TRIGGER guard_delete;

-- What was erased is not stored again: an agent that repeats its report would undo the erasure.
CREATE FUNCTION remediation.evidence_again_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('evidence:' || NEW.sha256, 0));
  IF EXISTS (SELECT 1 FROM public.remediation_evidenceerasure x WHERE x.sha256 = NEW.sha256) THEN
    RETURN NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_insert BEFORE INSERT ON public.remediation_evidenceblob
  FOR EACH ROW EXECUTE FUNCTION remediation.evidence_again_v1();
ALTER TABLE public.remediation_evidenceblob ENABLE ALWAYS TRIGGER guard_insert;
REVOKE EXECUTE ON FUNCTION remediation.evidence_erasure_v1(), remediation.evidence_gone_v1(),
  remediation.evidence_again_v1() FROM PUBLIC;
