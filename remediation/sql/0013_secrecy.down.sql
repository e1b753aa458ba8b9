DROP TRIGGER guard_insert ON public.remediation_evidenceblob;
DROP TRIGGER guard_delete ON public.remediation_evidenceblob;
DROP TRIGGER no_rewrite ON public.remediation_evidenceblob;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_evidenceblob
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_evidenceblob ENABLE ALWAYS TRIGGER append_only;
DROP TRIGGER guard ON public.remediation_evidenceerasure;
DROP FUNCTION remediation.evidence_again_v1();
DROP FUNCTION remediation.evidence_gone_v1();
DROP FUNCTION remediation.evidence_erasure_v1();
DROP TRIGGER append_only ON public.remediation_evidenceerasure;
DROP TRIGGER a_fact ON public.remediation_evidenceerasure;
DROP TRIGGER append_only ON public.remediation_evidencescan;
DROP TRIGGER a_fact ON public.remediation_evidencescan;
