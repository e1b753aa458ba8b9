-- The transparency log over the entries: every table append-only, nothing ever rewritten.

-- PostgreSQL reads nested JSON on its stack. What just fits when it is written does not fit for a
-- reader who is a few calls deeper, and would stop him for ever: so few brackets that it never
-- matters, not counting those in texts.
ALTER TABLE audit.entry ADD CONSTRAINT entry_shallow CHECK (
  octet_length(body) <= 6000
  OR length(regexp_replace(convert_from(body, 'UTF8'), '"(?:[^"\\]|\\.)*"|[^[{"]+', '', 'g')) <= 6000);

-- Where an entry is: one row for each leaf, which is tile level 0. No foreign key: its lock on each
-- entry costs a third of the speed, and old entries can be pruned after an export.
CREATE TABLE audit.leaf (
  idx      bigint PRIMARY KEY CHECK (idx >= 0),
  entry_id bigint NOT NULL UNIQUE,
  hash     bytea  NOT NULL CHECK (octet_length(hash) = 32)
);
-- One row for each complete subtree of 256^level leaves: 1/255 of the leaves.
CREATE TABLE audit.node (
  level smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
  idx   bigint   NOT NULL CHECK (idx >= 0),
  hash  bytea    NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (level, idx)
);
-- The signed head of the tree of that size (C2SP tlog-checkpoint).
CREATE TABLE audit.checkpoint (
  size bigint PRIMARY KEY CHECK (size >= 0),
  note text NOT NULL
);
-- A witness's line comes after the commit: a row, not an UPDATE.
CREATE TABLE audit.cosignature (
  size    bigint NOT NULL REFERENCES audit.checkpoint,
  witness text   NOT NULL,
  line    text   NOT NULL,
  PRIMARY KEY (size, witness)
);
CREATE INDEX cosignature_newest ON audit.cosignature (witness, size);
-- HMAC-SHA256 (RFC 2104) of built-in parts: pgcrypto is not everywhere. Keys of up to 64 bytes.
CREATE FUNCTION audit.hmac_v1(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  inner_pad bytea := decode(repeat('36', 64), 'hex');
  outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
  FOR i IN 0 .. length(key) - 1 LOOP
    inner_pad := set_byte(inner_pad, i, 54 # get_byte(key, i));
    outer_pad := set_byte(outer_pad, i, 92 # get_byte(key, i));
  END LOOP;
  RETURN sha256(outer_pad || sha256(inner_pad || message));
END $$;

-- The only table from which anything can go: it opens a commitment that stays in the entry. Salt
-- and value go together, since a value that can be guessed would be confirmed by its salt.
CREATE TABLE audit.secret (
  commitment bytea PRIMARY KEY CHECK (octet_length(commitment) = 32),
  salt       bytea NOT NULL CHECK (octet_length(salt) = 32),
  -- Who verifies reads all of them.
  value      text  NOT NULL CHECK (octet_length(value) <= 65535),
  -- Nobody can say that a commitment hides something else.
  CONSTRAINT secret_opens CHECK (commitment = audit.hmac_v1(salt, convert_to(value, 'UTF8')))
);
-- For people who look for something: derived from the entries by the sequencer after it signed, so
-- that nothing here is on the way of an append. Texts are cut: a key of an index has a limit.
CREATE TABLE audit.search (
  idx      bigint PRIMARY KEY,
  entry_id bigint NOT NULL UNIQUE,
  at       timestamptz,
  action   text NOT NULL,
  actor    text NOT NULL,
  object   text NOT NULL,
  words    tsvector NOT NULL
);
CREATE INDEX search_action ON audit.search (action, idx);
CREATE INDEX search_actor ON audit.search (actor, idx);
CREATE INDEX search_object ON audit.search (object, idx);
CREATE INDEX search_at ON audit.search (at, idx);
CREATE INDEX search_words ON audit.search USING gin (words);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['leaf', 'node', 'checkpoint', 'cosignature', 'search'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.%I
                    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', t);
    EXECUTE format('ALTER TABLE audit.%I ENABLE ALWAYS TRIGGER append_only', t);
  END LOOP;
END $$;
CREATE TRIGGER no_rewrite BEFORE UPDATE OR TRUNCATE ON audit.secret
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE audit.secret ENABLE ALWAYS TRIGGER no_rewrite;

DROP VIEW audit.trail;
CREATE VIEW audit.trail AS
  SELECT l.idx, e.id, convert_from(e.body, 'UTF8')::jsonb AS data
    FROM audit.entry e LEFT JOIN audit.leaf l ON l.entry_id = e.id;

-- A time, or nothing: an entry may say anything. One with its offset, so that the session's zone
-- plays no part, and of an age that every reader can hold.
CREATE FUNCTION audit.instant_v1(said text) RETURNS timestamptz LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE found timestamptz;
BEGIN
  IF said IS NULL OR said !~ '^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}([.][0-9]{1,6})?([+-][0-9]{2}:[0-9]{2}|Z)$'
  THEN RETURN NULL; END IF;
  found := said::timestamptz;
  RETURN CASE WHEN found >= '1970-01-01T00:00:00Z' AND found < '9999-01-01T00:00:00Z' THEN found END;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$;

-- The words of an entry's texts and numbers, without its keys; none if there are too many for a
-- tsvector (1 MB). The text parser takes quadratic time for long runs without a space and for what
-- begins like a tag (half a minute for one entry), so runs are cut and there are no tags. As text:
-- jsonb writes 1e131071 out, and one entry can hold seven thousand of these.
CREATE FUNCTION audit.words_v1(body text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (
    SELECT coalesce(to_tsvector('simple', string_agg(regexp_replace(
             translate(coalesce(('"' || m[1] || '"')::json #>> '{}', m[3]), '<', ' '),
             '(\S{128})', '\1 ', 'g'), ' ')), '')
      FROM regexp_matches(body, '"((?:[^"\\]|\\.)*)"(\s*:)?|(-?[0-9][-+.0-9eE]*)', 'g') AS m
     WHERE m[2] IS NULL);
EXCEPTION WHEN OTHERS THEN
  RETURN '';
END $$;

-- What a row of audit.search says, from the bytes of the entry; never fails.
CREATE FUNCTION audit.said_v1(body bytea)
RETURNS TABLE (at timestamptz, action text, actor text, object text, words tsvector)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT audit.instant_v1(d ->> 'at'), left(coalesce(d ->> 'action', ''), 200),
         left(coalesce(d ->> 'actor', ''), 200), left(coalesce(d ->> 'object', ''), 200),
         audit.words_v1(t)
    FROM (SELECT convert_from(body, 'UTF8')) AS b (t),
         LATERAL (SELECT t::json) AS j (d)
$$;

-- List leaves from this index on, at most so many; gives how many. Runs as its caller.
CREATE FUNCTION audit.search_v1(first bigint, most integer) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE listed bigint;
BEGIN
  INSERT INTO audit.search (idx, entry_id, at, action, actor, object, words)
  SELECT l.idx, e.id, s.at, s.action, s.actor, s.object, s.words
    FROM audit.leaf l
    JOIN audit.entry e ON e.id = l.entry_id
   CROSS JOIN LATERAL audit.said_v1(e.body) AS s
   WHERE l.idx >= first
   ORDER BY l.idx
   LIMIT most;
  GET DIAGNOSTICS listed = ROW_COUNT;
  RETURN listed;
END $$;
DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['hmac_v1(bytea, bytea)', 'instant_v1(text)', 'words_v1(text)', 'said_v1(bytea)', 'search_v1(bigint, integer)'] LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION audit.%s FROM PUBLIC', f);
  END LOOP;
END $$;
