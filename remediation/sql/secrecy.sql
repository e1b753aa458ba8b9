-- Bytes of evidence: they match their digest, only a recorded erasure deletes them, and it is permanent.

ALTER TABLE public.remediation_evidenceblob
  ADD CONSTRAINT evidence_blob_digest CHECK (sha256 = encode(pg_catalog.sha256(content), 'hex'));

-- The audit entry of an erasure must record that an operator erased evidence, and name these bytes.
CREATE FUNCTION remediation.evidence_erasure_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- A process that stores the same bytes waits for this lock and then finds the erasure.
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

-- Refuses to delete bytes without an erasure in the same transaction.
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
CREATE TRIGGER no_rewrite BEFORE UPDATE OR TRUNCATE ON public.remediation_evidenceblob
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
CREATE TRIGGER guard_delete BEFORE DELETE ON public.remediation_evidenceblob
  FOR EACH ROW EXECUTE FUNCTION remediation.evidence_gone_v1();
ALTER TABLE public.remediation_evidenceblob ENABLE ALWAYS TRIGGER no_rewrite;
ALTER TABLE public.remediation_evidenceblob ENABLE ALWAYS TRIGGER guard_delete;

-- Skips erased bytes instead of storing them again: an agent that repeats its report would restore them.
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

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
