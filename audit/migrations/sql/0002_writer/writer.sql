-- The writer of each entry: the database stamps the login that wrote it, and refuses the entries that this
-- login may not write. So an entry in the worker's name is the worker's.

-- Which login may write which entries: an action, or `kind:*` for every action of a kind. The log knows no
-- word of the product; whoever uses the log fills this table as hitl_owner, and checks it.
CREATE TABLE audit.author (
  login  text NOT NULL,
  action text NOT NULL,
  PRIMARY KEY (action, login)
);
-- The guard relies on this table, so only the owner's login may write it, whatever was granted.
CREATE TRIGGER no_rewrite BEFORE UPDATE OR TRUNCATE ON audit.author
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
CREATE TRIGGER owner_only BEFORE INSERT OR DELETE ON audit.author
  FOR EACH STATEMENT WHEN (current_user <> 'hitl_owner') EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE audit.author ENABLE ALWAYS TRIGGER no_rewrite;
ALTER TABLE audit.author ENABLE ALWAYS TRIGGER owner_only;

-- Stamps the writer as the last member of an entry, where the canonical form has it, so that it is hashed
-- and proven with the rest. Refuses an entry in another form, because two readers could read it in two
-- ways (a member twice, an escaped name), and one whose actor or action this login may not write.
-- An invoker function: in a definer function current_user is the owner.
CREATE FUNCTION audit.writer_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE body text; shape text; said jsonb; names text[]; kind text; event text;
BEGIN
  body := convert_from(NEW.body, 'UTF8');
  -- Most entries have neither white space nor such a number, also not in a text. For the others, what is
  -- outside texts decides, which costs a third of the time of all this. An exponent is looked for before
  -- the text of the jsonb is made: 1e131071 is 131,072 digits there.
  IF body ~ '\s|(":|[[,])-?[0-9]+[.eE]' THEN
    shape := regexp_replace(body, '"(?:[^"\\]|\\.)*"', '', 'g');
  END IF;
  IF left(body, 1) IS DISTINCT FROM '{' OR shape ~ '\s|[0-9][.eE]' THEN
    RAISE EXCEPTION 'an entry is one object in canonical form'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_form';
  END IF;
  names := ARRAY(SELECT json_object_keys(body::json));
  IF 'writer' = ANY (names) THEN
    RAISE EXCEPTION 'an entry does not name its writer: the database does'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_writer';
  END IF;
  said := body::jsonb;
  -- jsonb drops what stands twice, every needless escape and white space, and writes one space after each
  -- comma and colon. Equal length without spaces means that nothing was dropped.
  IF names IS DISTINCT FROM ARRAY['action', 'actor', 'at', 'data', 'object', 'v']
     OR right(body, 7) <> ',"v":1}'
     OR length(replace(said::text, ' ', '')) <> length(replace(body, ' ', '')) THEN
    RAISE EXCEPTION 'an entry is one object in canonical form'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_form';
  END IF;
  event := said ->> 'action';
  kind := substring(said ->> 'actor' FROM '^([^:]+):');
  IF kind IS DISTINCT FROM split_part(event, ':', 1)
     OR NOT EXISTS (SELECT FROM audit.author a
                     WHERE a.login = current_user AND a.action IN (event, kind || ':*')) THEN
    RAISE EXCEPTION '% may not write % for %', current_user, left(event, 200), left(said ->> 'actor', 200)
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_author';
  END IF;
  -- The constraint entry_body_check refuses what is too long with it.
  NEW.body := convert_to(left(body, -1) || ',"writer":' || to_json(current_user::text) || '}', 'UTF8');
  RETURN NEW;
END $$;
CREATE TRIGGER writer BEFORE INSERT ON audit.entry
  FOR EACH ROW EXECUTE FUNCTION audit.writer_v1();
ALTER TABLE audit.entry ENABLE ALWAYS TRIGGER writer;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
