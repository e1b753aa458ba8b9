-- What happened: the exact bytes that are hashed, nothing else is evidence.
CREATE SCHEMA audit;
CREATE TABLE audit.entry (
  id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Scheduling hint for the sequencer and proof of "written in this transaction" for the guards;
  -- never hashed, and no login may choose it (column grant on body alone).
  txid xid8   NOT NULL DEFAULT pg_current_xact_id(),
  -- No raw newline: line i of an export is leaf i, byte for byte.
  body bytea  NOT NULL CHECK (octet_length(body) BETWEEN 2 AND 65535 AND position('\x0a'::bytea IN body) = 0),
  -- One line that is no JSON object would blind the view for people.
  CONSTRAINT entry_is_json CHECK (jsonb_typeof(convert_from(body, 'UTF8')::jsonb) = 'object')
);
CREATE INDEX entry_txid ON audit.entry (txid);
CREATE FUNCTION audit.refuse_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% on %.% refused: the record is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE EXECUTE ON FUNCTION audit.refuse_v1() FROM PUBLIC;
-- One statement trigger covers UPDATE of no row, ON CONFLICT DO UPDATE, MERGE, TRUNCATE CASCADE.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.entry
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
-- ALWAYS: session_replication_role = replica does not walk past it.
ALTER TABLE audit.entry ENABLE ALWAYS TRIGGER append_only;
-- The view for people; convert_from is STABLE, hence no generated column.
CREATE VIEW audit.trail AS
  SELECT e.id, convert_from(e.body, 'UTF8')::jsonb AS data FROM audit.entry e;
