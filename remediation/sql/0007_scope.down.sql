DROP FUNCTION remediation.scope_v1(text[], integer, integer);
