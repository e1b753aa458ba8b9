DROP FUNCTION audit.search_v1(bigint, integer);
DROP FUNCTION audit.said_v1(bytea);
DROP FUNCTION audit.words_v1(text);
DROP FUNCTION audit.instant_v1(text);
DROP VIEW audit.trail;
CREATE VIEW audit.trail AS
  SELECT e.id, convert_from(e.body, 'UTF8')::jsonb AS data FROM audit.entry e;
DROP TABLE audit.search, audit.secret, audit.cosignature, audit.checkpoint, audit.node, audit.leaf;
DROP FUNCTION audit.hmac_v1(bytea, bytea);
ALTER TABLE audit.entry DROP CONSTRAINT entry_shallow;
