-- People and agents: accounts, roles, tokens.

-- Facts name people by `person`, so it must not change.
CREATE FUNCTION remediation.user_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.refuse_v1('user_person', 'an account keeps its person');
  RETURN NULL;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON public.remediation_user
  FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.person IS DISTINCT FROM NEW.person)
  EXECUTE FUNCTION remediation.user_v1();
ALTER TABLE public.remediation_user ENABLE ALWAYS TRIGGER guard;

-- An invitation is valid for 15 minutes by the database's clock.
CREATE FUNCTION remediation.invitation_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.expires_at := clock_timestamp() + interval '15 minutes';
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitation
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_v1();
ALTER TABLE public.remediation_invitation ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION remediation.invitation_use_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.remediation_invitation i
                  WHERE i.id = NEW.invitation_id AND i.expires_at > clock_timestamp()) THEN
    PERFORM remediation.refuse_v1('invitation_expired', 'the code is older than 15 minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitationuse
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_use_v1();
ALTER TABLE public.remediation_invitationuse ENABLE ALWAYS TRIGGER guard;

-- A person's roles. Database groups can only take entitlement away; the approvers file gives it.
CREATE VIEW remediation.entitlement AS
  SELECT u.id AS user_id, u.person, u.is_active AS active, g.name AS role
    FROM public.remediation_user u
    LEFT JOIN public.remediation_user_groups ug ON ug.user_id = u.id
    LEFT JOIN public.auth_group g ON g.id = ug.group_id;

-- Who administered people, since when and until when. Only the trigger below writes it, so the web login
-- cannot forget a row: people who make accounts and give rights must not decide or uncover with them
-- (sql/separation.sql).
CREATE TABLE remediation.administered (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person uuid NOT NULL,
  held boolean NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX administered_person ON remediation.administered (person, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON remediation.administered
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE remediation.administered ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION remediation.administered_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO remediation.administered (person, held)
    SELECT u.person, false FROM public.remediation_user u, public.auth_group g
     WHERE u.id = OLD.user_id AND g.id = OLD.group_id AND g.name = 'user_admin';
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO remediation.administered (person, held)
    SELECT u.person, true FROM public.remediation_user u, public.auth_group g
     WHERE u.id = NEW.user_id AND g.id = NEW.group_id AND g.name = 'user_admin';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON public.remediation_user_groups
  FOR EACH ROW EXECUTE FUNCTION remediation.administered_v1();
ALTER TABLE public.remediation_user_groups ENABLE ALWAYS TRIGGER administered;

-- The trigger above knows the group by its name. A group that is renamed for a moment would hide who left it.
CREATE FUNCTION remediation.user_admin_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.refuse_v1('group_name', 'the group user_admin keeps its name and its number');
  RETURN NULL;
END $$;
CREATE TRIGGER keeps_name BEFORE UPDATE ON public.auth_group
  FOR EACH ROW WHEN ((OLD.name = 'user_admin' OR NEW.name = 'user_admin')
                     AND (OLD.id IS DISTINCT FROM NEW.id OR OLD.name IS DISTINCT FROM NEW.name))
  EXECUTE FUNCTION remediation.user_admin_v1();
ALTER TABLE public.auth_group ENABLE ALWAYS TRIGGER keeps_name;

-- The people who administer users now (`until` is empty) or did in the last 7 days.
CREATE VIEW remediation.administrator AS
  SELECT e.person, (SELECT max(a.recorded_at) FROM remediation.administered a
                     WHERE a.person = e.person AND a.held) AS since, NULL::timestamptz AS until
    FROM remediation.entitlement e WHERE e.role = 'user_admin'
  UNION ALL
  SELECT a.person, (SELECT max(b.recorded_at) FROM remediation.administered b
                     WHERE b.person = a.person AND b.held AND b.id < a.id), a.recorded_at
    FROM remediation.administered a
   WHERE NOT a.held AND a.recorded_at > now() - interval '7 days';

-- Acts that a person signed with the passkey, each statement once: a session cookie alone does none of them.
-- The entry holds statement and assertion; the database cannot verify a signature, an auditor can.
CREATE TABLE remediation.step_up (
  nonce text CONSTRAINT step_up_once PRIMARY KEY,
  entry bigint NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  person uuid NOT NULL,
  act text NOT NULL,
  object text NOT NULL,
  expires_at timestamptz NOT NULL);
CREATE INDEX step_up_entry ON remediation.step_up (entry);
CREATE TRIGGER a_fact BEFORE INSERT ON remediation.step_up
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
ALTER TABLE remediation.step_up ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON remediation.step_up
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE remediation.step_up ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION remediation.step_up_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE signed jsonb;
BEGIN
  IF NOT NEW.expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '5 minutes' THEN
    PERFORM remediation.refuse_v1('step_up_expired', 'a statement holds for five minutes');
  END IF;
  SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' -> 'step_up' INTO signed
    FROM audit.entry e WHERE e.id = NEW.entry;
  -- With the time that was signed: otherwise a signature that nobody used would never expire here.
  IF (signed -> 'statement' ->> 'nonce', signed -> 'statement' ->> 'person', signed -> 'statement' ->> 'act',
      signed -> 'statement' ->> 'object', (signed -> 'statement' ->> 'expires')::timestamptz)
     IS DISTINCT FROM (NEW.nonce, NEW.person::text, NEW.act, NEW.object, NEW.expires_at)
     OR signed -> 'assertion' ->> 'signature' IS NULL THEN
    PERFORM remediation.refuse_v1('step_up_entry', 'the audit entry holds no signed statement of this act');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER step_up BEFORE INSERT ON remediation.step_up
  FOR EACH ROW EXECUTE FUNCTION remediation.step_up_v1();
ALTER TABLE remediation.step_up ENABLE ALWAYS TRIGGER step_up;

-- Addresses for deadlines and results; the worker sees nothing else of an account.
CREATE VIEW remediation.mailbox AS
  SELECT u.person, u.email FROM public.remediation_user u WHERE u.is_active AND u.email <> '';

-- For `approver add USER`: from a user name to the person. Facts hold no names, so that a person can be
-- erased; this view shows what is true now.
CREATE VIEW remediation.account AS
  SELECT u.person, u.username, u.is_active AS active, u.is_superuser AS superuser
    FROM public.remediation_user u;

-- Rights on services: given on a service itself, on an owner team or on an environment, to a person or to
-- a group (guardian's rows, without its shortcut for superusers). A row may occur more than once.
-- CASE: rows of other kinds may hold keys that are not numbers, and a cast before the filter would fail.
-- By team and environment a right counts on a service that belongs there in each of its versions that
-- count in 24 hours (as in scope.sql): whoever moves a service in the inventory gives nobody a right on it
-- at once. LATERAL, so that services are read only for rights of the kind.
CREATE VIEW remediation.service_right AS
  SELECT u.person, s.service_id, p.codename
    FROM (SELECT o.user_id, o.permission_id,
                 CASE WHEN o.object_pk ~ '^[0-9]{1,18}$' THEN o.object_pk::bigint END AS object_id
            FROM public.guardian_userobjectpermission o
          UNION
          SELECT ug.user_id, o.permission_id,
                 CASE WHEN o.object_pk ~ '^[0-9]{1,18}$' THEN o.object_pk::bigint END
            FROM public.guardian_groupobjectpermission o
            JOIN public.remediation_user_groups ug ON ug.group_id = o.group_id) AS r
    JOIN public.auth_permission p ON p.id = r.permission_id
    JOIN public.django_content_type c ON c.id = p.content_type_id
    JOIN public.remediation_user u ON u.id = r.user_id
   CROSS JOIN LATERAL (
      SELECT r.object_id AS service_id WHERE c.model = 'service'
      UNION ALL
      SELECT DISTINCT v.service_id
        FROM public.remediation_ownerteam t
        JOIN public.remediation_serviceversion v ON v.owner_team = t.name
       WHERE c.model = 'ownerteam' AND t.id = r.object_id AND NOT EXISTS (
               SELECT 1 FROM public.remediation_serviceversion x
                WHERE x.service_id = v.service_id AND x.owner_team <> t.name AND NOT EXISTS (
                        SELECT 1 FROM public.remediation_serviceversion l
                         WHERE l.service_id = x.service_id AND l.id > x.id
                           AND l.recorded_at <= now() - interval '24 hours'))
      UNION ALL
      SELECT DISTINCT v.service_id
        FROM public.remediation_environmentname t
        JOIN public.remediation_serviceversion v ON v.environment = t.name
       WHERE c.model = 'environmentname' AND t.id = r.object_id AND NOT EXISTS (
               SELECT 1 FROM public.remediation_serviceversion x
                WHERE x.service_id = v.service_id AND x.environment <> t.name AND NOT EXISTS (
                        SELECT 1 FROM public.remediation_serviceversion l
                         WHERE l.service_id = x.service_id AND l.id > x.id
                           AND l.recorded_at <= now() - interval '24 hours'))) AS s
   WHERE c.app_label = 'remediation' AND s.service_id IS NOT NULL;

-- The current state of agents.
CREATE VIEW remediation.agent_now AS
  SELECT DISTINCT ON (v.agent_id) v.agent_id, v.owner, v.enabled
    FROM public.remediation_agentversion v ORDER BY v.agent_id, v.id DESC;

ALTER TABLE public.remediation_agenttoken
  ADD CONSTRAINT agent_token_life CHECK (expires_at <= recorded_at + interval '366 days');

-- Returns whether a token was revoked, for the worker, which cannot read tokens.
CREATE FUNCTION remediation.token_revoked_v1(token uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_agenttokenrevocation r WHERE r.token_id = $1)
$$;

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

-- Returns what an object right is on: the number of a service, or `team:<name>`, `environment:<name>`.
CREATE FUNCTION remediation.object_name_v1(r jsonb) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(
    (SELECT CASE c.model
              WHEN 'ownerteam' THEN (SELECT 'team:' || t.name FROM public.remediation_ownerteam t
                                      WHERE t.id::text = r ->> 'object_pk')
              WHEN 'environmentname' THEN (SELECT 'environment:' || t.name
                                             FROM public.remediation_environmentname t
                                            WHERE t.id::text = r ->> 'object_pk') END
       FROM public.django_content_type c WHERE c.id = (r ->> 'content_type_id')::bigint),
    r ->> 'object_pk')
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
      ('on', to_json(remediation.object_name_v1(r))::text),
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
