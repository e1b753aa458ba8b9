DROP TRIGGER guard ON public.remediation_incidentassignment;
DROP TRIGGER a_fact ON public.remediation_incidentassignment;
DROP TRIGGER append_only ON public.remediation_incidentassignment;
DROP TRIGGER guard ON public.remediation_incidentcomment;
DROP TRIGGER a_fact ON public.remediation_incidentcomment;
DROP TRIGGER append_only ON public.remediation_incidentcomment;
DROP FUNCTION remediation.incident_comment_v1();
DROP FUNCTION remediation.incident_assignment_v1();
DROP FUNCTION remediation.viewers_v1(uuid, uuid);
