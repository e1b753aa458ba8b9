-- The transparency log over the entries: leaves, nodes, signed heads, cosignatures, and the search over
-- them. Every table is append-only.

-- The place of an entry in the tree: one row for each leaf (tile level 0). No foreign key: its lock on
-- each entry costs a third of the speed, and old entries can be pruned after an export.
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
-- The signed head of the tree of this size (C2SP tlog-checkpoint).
CREATE TABLE audit.checkpoint (
  size bigint PRIMARY KEY CHECK (size >= 0),
  note text NOT NULL
);
-- A witness signs after the commit, so its line is a row of its own and no UPDATE.
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

-- The only table of the log from which rows can go: a row opens a commitment that stays in the entry.
-- Salt and value go together, because the salt would confirm a value that somebody guessed.
CREATE TABLE audit.secret (
  commitment bytea PRIMARY KEY CHECK (octet_length(commitment) = 32),
  salt       bytea NOT NULL CHECK (octet_length(salt) = 32),
  -- Bounded, because a verifier reads all of them.
  value      text  NOT NULL CHECK (octet_length(value) <= 65535),
  -- Nobody can store another value for a commitment.
  CONSTRAINT secret_opens CHECK (commitment = audit.hmac_v1(salt, convert_to(value, 'UTF8')))
);
-- The search for people. The sequencer derives it from the entries after it signed, so it slows no
-- append. Texts are cut, because an index key has a limit.
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

-- The view for people; convert_from is STABLE, so a generated column is not possible.
CREATE VIEW audit.trail AS
  SELECT l.idx, e.id, convert_from(e.body, 'UTF8')::jsonb AS data
    FROM audit.entry e LEFT JOIN audit.leaf l ON l.entry_id = e.id;

-- A time of an entry, or NULL: an entry may say anything. Only a time with its offset, so that the
-- session's zone does not matter, and within what every reader can represent.
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

-- A row of audit.search from the bytes of its entry. Never fails.
CREATE FUNCTION audit.said_v1(body bytea)
RETURNS TABLE (at timestamptz, action text, actor text, object text, words tsvector)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT audit.instant_v1(d ->> 'at'), left(coalesce(d ->> 'action', ''), 200),
         left(coalesce(d ->> 'actor', ''), 200), left(coalesce(d ->> 'object', ''), 200),
         audit.words_v1(t)
    FROM (SELECT convert_from(body, 'UTF8')) AS b (t),
         LATERAL (SELECT t::json) AS j (d)
$$;

-- Lists the leaves from this index on, at most `most`, and returns how many. Runs as its caller.
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

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
