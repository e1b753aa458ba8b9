-- Every change of accounts, groups, rights and passkeys appends an entry, whoever makes it and however: a
-- statement of SQL with the web login leaves as much as a page does. Services append their own as well,
-- which says for whom and why.

-- Returns whom a row of these tables is about: `person:<id>` or `group:<name>`.
CREATE FUNCTION remediation.holder_v1(place text, r jsonb) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN r IS NULL THEN NULL
    WHEN place = 'remediation_user' THEN 'person:' || (r ->> 'person')
    WHEN place = 'auth_group' THEN 'group:' || (r ->> 'name')
    WHEN r ? 'user_id' THEN coalesce(
      (SELECT 'person:' || u.person FROM public.remediation_user u WHERE u.id = (r ->> 'user_id')::bigint),
      'user:' || (r ->> 'user_id'))
    ELSE coalesce(
      (SELECT 'group:' || g.name FROM public.auth_group g WHERE g.id = (r ->> 'group_id')::bigint),
      'group:' || (r ->> 'group_id')) END
$$;

-- Appends the entry of one changed row. It names columns, never their values: no password, name, address
-- or key. The argument is the action; the actor is the login that made the change, not the definer.
-- The body is canonical JSON: members in the order of their names, no white space.
CREATE FUNCTION remediation.people_entry_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  was jsonb := to_jsonb(OLD); now_is jsonb := to_jsonb(NEW); r jsonb := coalesce(to_jsonb(NEW), to_jsonb(OLD));
  login text := CASE current_setting('role') WHEN 'none' THEN session_user::text
                ELSE current_setting('role') END;
  about text; before text; changed text[]; data text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    changed := ARRAY(SELECT n.key FROM jsonb_each(now_is) n
                      WHERE n.value IS DISTINCT FROM was -> n.key
                        -- Each sign-in writes these; its own entry says more.
                        AND n.key NOT IN ('last_login', 'last_used_at')
                      ORDER BY n.key COLLATE "C");
    IF changed = '{}' THEN RETURN NULL; END IF;
  END IF;
  about := coalesce(remediation.holder_v1(TG_TABLE_NAME, r), 'table:' || TG_TABLE_NAME);
  before := remediation.holder_v1(TG_TABLE_NAME, was);
  SELECT '{' || string_agg(to_json(m.name) || ':' || m.value, ',' ORDER BY m.name COLLATE "C") || '}' INTO data
    FROM (VALUES
      ('changed', to_json(changed)::text),
      -- Only where the row was somebody else's before: a passkey that moved, a group renamed.
      ('from', CASE WHEN before <> about THEN to_json(before)::text END),
      ('group', (SELECT to_json(g.name)::text FROM public.auth_group g
                  WHERE TG_TABLE_NAME = 'remediation_user_groups' AND g.id = (r ->> 'group_id')::bigint)),
      ('on', to_json(r ->> 'object_pk')::text),
      ('operation', to_json(lower(TG_OP))::text),
      ('right', (SELECT to_json(p.codename)::text FROM public.auth_permission p
                  WHERE p.id = (r ->> 'permission_id')::bigint)),
      ('table', to_json(TG_TABLE_NAME::text)::text)) AS m (name, value)
   WHERE m.value IS NOT NULL;
  INSERT INTO audit.entry (body) VALUES (convert_to(format(
    '{"action":%s,"actor":%s,"at":%s,"data":%s,"object":%s,"v":1}', to_json(TG_ARGV[0]),
    to_json('database:' || login),
    to_json(to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')),
    data, to_json(about)), 'UTF8'));
  RETURN NULL;
END $$;
DO $$
DECLARE w record; t text;
BEGIN
  FOR w IN SELECT * FROM (VALUES
    ('database:account:changed', ARRAY['remediation_user', 'account_emailaddress']),
    ('database:group:changed', ARRAY['auth_group', 'remediation_user_groups']),
    ('database:right:changed', ARRAY['remediation_user_user_permissions', 'auth_group_permissions',
                                     'guardian_userobjectpermission', 'guardian_groupobjectpermission']),
    ('database:passkey:changed', ARRAY['mfa_authenticator'])) AS v (action, tables) LOOP
    FOREACH t IN ARRAY w.tables LOOP
      EXECUTE format('CREATE TRIGGER people_entry AFTER INSERT OR UPDATE OR DELETE ON public.%I
                      FOR EACH ROW EXECUTE FUNCTION remediation.people_entry_v1(%L)', t, w.action);
      EXECUTE format('CREATE TRIGGER people_entry_all AFTER TRUNCATE ON public.%I
                      FOR EACH STATEMENT EXECUTE FUNCTION remediation.people_entry_v1(%L)', t, w.action);
      EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER people_entry', t);
      EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER people_entry_all', t);
    END LOOP;
  END LOOP;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
