DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['ownerteam', 'environmentname'] LOOP
    EXECUTE format('CREATE TRIGGER a_fact BEFORE INSERT ON public.%I
                    FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER a_fact', 'remediation_' || t);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
                    ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()',
                   'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
  END LOOP;
END $$;
-- Rights on services: given on a service itself, on an owner team or on an environment, to a person or to
-- a group (guardian's rows, without its shortcut for superusers). A row may occur more than once.
-- CASE: rows of other kinds may hold keys that are not numbers, and a cast before the filter would fail.
-- By team and environment a right counts on a service that belongs there in each of its versions that
-- count in 24 hours (as in scope.sql): whoever moves a service in the inventory gives nobody a right on it
-- at once. LATERAL, so that services are read only for rights of the kind.
CREATE OR REPLACE VIEW remediation.service_right AS
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

-- Returns what an object right is on: the number of a service, or `team:<name>`, `environment:<name>`.
CREATE OR REPLACE FUNCTION remediation.object_name_v1(r jsonb) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
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
CREATE OR REPLACE FUNCTION remediation.people_entry_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
REVOKE EXECUTE ON FUNCTION remediation.object_name_v1(jsonb) FROM PUBLIC;

-- A service that moved counts as loosened (sql/inventory.sql).
CREATE OR REPLACE FUNCTION remediation.loosened_v2(services bigint[], identities bigint[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
  RETURN QUERY
  SELECT v.author::text
    FROM unnest(services) AS s (id)
    JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                   WHERE x.service_id = s.id AND x.recorded_at > now() - interval '7 days'
                  OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                        WHERE x.service_id = v.service_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE o.id IS NULL
      OR array_position(ARRAY['low','medium','high','critical'], v.criticality::text)
           < array_position(ARRAY['low','medium','high','critical'], o.criticality::text)
      OR v.payment_path < o.payment_path OR v.external_partner < o.external_partner
      OR v.retired <> o.retired OR v.owner_team <> o.owner_team OR v.environment <> o.environment;
  -- Removed edges are few, so start from them and look for the services at either end.
  RETURN QUERY
  WITH gone AS MATERIALIZED (
    SELECT v.author, d.source_id, d.service_id
      FROM public.remediation_dependencyversion v
      JOIN public.remediation_dependency d ON d.id = v.dependency_id
      JOIN LATERAL (SELECT x.present FROM public.remediation_dependencyversion x
                     WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                     ORDER BY x.id DESC LIMIT 1) AS o ON o.present
     WHERE NOT v.present AND v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
  )
  SELECT g.author::text FROM gone g WHERE g.source_id IN (SELECT unnest(services))
  UNION
  SELECT g.author::text FROM gone g WHERE g.service_id IN (SELECT unnest(services));
  RETURN QUERY
  SELECT v.author::text
    FROM public.remediation_identityversion v
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_identityversion x
                        WHERE x.identity_id = v.identity_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE v.identity_id = ANY (identities) AND v.recorded_at > now() - interval '7 days'
     AND (o.id IS NULL OR v.retired <> o.retired
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text));
  RETURN QUERY
  SELECT v.author::text
    FROM public.remediation_dependency d
    JOIN LATERAL (SELECT x.* FROM public.remediation_dependencyversion x
                   WHERE x.dependency_id = d.id AND x.recorded_at > now() - interval '7 days'
                  OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (SELECT x.present, x.by_reviewer
                         FROM public.remediation_dependencyversion x
                        WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE d.identity_id = ANY (identities)
     AND (v.present IS DISTINCT FROM o.present AND (v.present OR o.present)
          -- To confirm what a reviewer said takes an unknown away.
          OR v.present AND o.by_reviewer AND NOT v.by_reviewer);
END $$;
