DROP FUNCTION remediation.queue_ahead_v1(bigint[], text, text, integer);
DROP TRIGGER append_only_update ON public.remediation_queueservice;
DROP TRIGGER append_only ON public.remediation_queueservice;
DROP TRIGGER by_service ON public.remediation_queueentry;
DROP FUNCTION remediation.queue_by_service_v1();
DROP INDEX public.queue_wide;
