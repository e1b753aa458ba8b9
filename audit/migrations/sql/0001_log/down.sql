DROP VIEW audit.trail;
DROP TABLE audit.search, audit.secret, audit.cosignature, audit.checkpoint, audit.node, audit.leaf, audit.entry;
DROP FUNCTION audit.search_v1(bigint, integer);
DROP FUNCTION audit.said_v1(bytea);
DROP FUNCTION audit.words_v1(text);
DROP FUNCTION audit.instant_v1(text);
DROP FUNCTION audit.hmac_v1(bytea, bytea);
DROP FUNCTION audit.refuse_v1();
DROP SCHEMA audit;
