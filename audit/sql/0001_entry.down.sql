DROP VIEW audit.trail;
DROP TABLE audit.entry;
DROP FUNCTION audit.refuse_v1();
DROP SCHEMA audit;
