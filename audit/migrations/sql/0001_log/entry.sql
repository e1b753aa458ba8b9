-- The entries: what happened, as the exact bytes that are hashed. Nothing else is evidence.
CREATE SCHEMA audit;
CREATE TABLE audit.entry (
  id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- A scheduling hint for the sequencer, and for the guards the proof of "written in this transaction".
  -- Never hashed, and no login may choose it (column grant on body alone).
  txid xid8   NOT NULL DEFAULT pg_current_xact_id(),
  -- No raw newline: line i of an export is leaf i, byte for byte.
  body bytea  NOT NULL CHECK (octet_length(body) >= 2 AND octet_length(body) <= 65535
                              AND position('\x0a'::bytea IN body) = 0),
  -- One line that is not a JSON object would make the view for people fail.
  CONSTRAINT entry_is_json CHECK (jsonb_typeof(convert_from(body, 'UTF8')::jsonb) = 'object'),
  -- PostgreSQL reads nested JSON on its stack. What just fits when it is written does not fit for a
  -- reader who is a few calls deeper, and would block that reader for ever. So few brackets that it never
  -- matters, not counting those inside texts.
  CONSTRAINT entry_shallow CHECK (
    octet_length(body) <= 6000
    OR length(regexp_replace(convert_from(body, 'UTF8'), '"(?:[^"\\]|\\.)*"|[^[{"]+', '', 'g')) <= 6000)
);
CREATE INDEX entry_txid ON audit.entry (txid);

-- Refuses a change of what may only be added to.
CREATE FUNCTION audit.refuse_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% on %.% refused: the record is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
-- One statement trigger covers UPDATE of no row, ON CONFLICT DO UPDATE, MERGE and TRUNCATE CASCADE.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.entry
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
-- ALWAYS: session_replication_role = replica does not switch it off.
ALTER TABLE audit.entry ENABLE ALWAYS TRIGGER append_only;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
