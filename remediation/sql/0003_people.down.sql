DROP FUNCTION remediation.frozen_v1();
DROP FUNCTION remediation.excluded_v1(uuid);
DROP VIEW remediation.loosening;
DROP VIEW remediation.agent_now;
DROP VIEW remediation.service_right;
DROP VIEW remediation.mailbox;
DROP VIEW remediation.entitlement;
DROP TRIGGER guard ON public.remediation_user;
DROP FUNCTION remediation.user_v1();
