-- What stands in the database, one object a row: kind, name, facts. Every login may read all of it;
-- PostgreSQL 14 to 18 word it alike. Read by hitlportal/database_manifest.py with search_path =
-- pg_catalog, so that definitions name every object with its schema.
WITH ours AS (
  SELECT n.oid, n.nspname FROM pg_namespace n WHERE n.nspname IN ('public', 'audit', 'remediation')
), object (kind, name, fact, owner, acl, acl_kind) AS (
  -- The text, whose rights it runs with, and the search_path that it fixes.
  SELECT 'functions', p.oid::regprocedure::text, jsonb_build_object(
           'sha256', encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'),
           'definer', p.prosecdef, 'config', coalesce(to_jsonb(p.proconfig), '[]'),
           'volatile', p.provolatile, 'language', l.lanname, 'returns', pg_get_function_result(p.oid)),
         p.proowner, p.proacl, 'f'
    FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
  UNION ALL
  -- Large objects fill the disk; install_roles revokes them, so nobody may execute one of these.
  SELECT 'functions', p.oid::regprocedure::text, '{}', p.proowner, p.proacl, 'f'
    FROM pg_proc p
   WHERE p.pronamespace = 'pg_catalog'::regnamespace
     AND (p.proname LIKE 'lo\_%' OR p.proname IN ('loread', 'lowrite'))
     AND EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
                  WHERE x.grantee <> p.proowner)
  UNION ALL
  -- Of Django's and other packages' tables only owners and grants are ours to say.
  SELECT 'constraints', format('%s on %s', k.conname, k.conrelid::regclass), jsonb_build_object(
           'definition', pg_get_constraintdef(k.oid), 'valid', k.convalidated), NULL, NULL, NULL
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN ours n ON n.oid = c.relnamespace
   WHERE k.contype IN ('c', 'u', 'p', 'f', 'x')
     AND (n.nspname <> 'public' OR c.relname LIKE 'remediation\_%')
  UNION ALL
  SELECT 'triggers', format('%s on %s', t.tgname, t.tgrelid::regclass), jsonb_build_object(
           'enabled', t.tgenabled, 'definition', pg_get_triggerdef(t.oid)), NULL, NULL, NULL
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN ours n ON n.oid = c.relnamespace
   WHERE NOT t.tgisinternal
  UNION ALL
  -- Rules, row security and event triggers could change what a guard sees; there are none.
  SELECT 'rules', format('%s on %s', r.rulename, r.ev_class::regclass), '{}', NULL, NULL, NULL
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN ours n ON n.oid = c.relnamespace
   WHERE r.rulename <> '_RETURN'
  UNION ALL
  SELECT 'rules', format('policy %s on %s', polname, polrelid::regclass), '{}', NULL, NULL, NULL
    FROM pg_policy
  UNION ALL
  SELECT 'rules', format('event trigger %s', evtname), '{}', NULL, NULL, NULL FROM pg_event_trigger
  UNION ALL
  SELECT 'views', c.oid::regclass::text, jsonb_build_object('definition', pg_get_viewdef(c.oid)),
         NULL, NULL, NULL
    FROM pg_class c JOIN ours n ON n.oid = c.relnamespace WHERE c.relkind = 'v'
  UNION ALL
  SELECT 'relations', c.oid::regclass::text, jsonb_build_object(
           'kind', c.relkind, 'options', coalesce(to_jsonb(c.reloptions), '[]')),
         c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END
    FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT 'columns', format('%s.%s', c.oid::regclass, a.attname), '{}', c.relowner, a.attacl, 'c'
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ours n ON n.oid = c.relnamespace
   WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 'schemas', n.nspname::text, '{}', n.nspowner, n.nspacl, 'n' FROM pg_namespace n
   WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'database', 'database', '{}', d.datdba, d.datacl, 'd'
    FROM pg_database d WHERE d.datname = current_database()
)
-- Owners may do everything (17 added a privilege to that), so only what others may is named.
-- Schema public has another owner on 14 than on 15 and later.
SELECT o.kind, o.name, o.fact || CASE WHEN o.owner IS NULL THEN '{}' ELSE jsonb_build_object(
         'owner', CASE WHEN o.kind <> 'schemas' OR o.name <> 'public' THEN pg_get_userbyid(o.owner) END,
         'grants', ARRAY(
           SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END
                  || ' ' || x.privilege_type || CASE WHEN x.is_grantable THEN ' GRANTABLE' ELSE '' END
             FROM aclexplode(coalesce(o.acl, acldefault(o.acl_kind::"char", o.owner))) AS x
            WHERE x.grantee <> o.owner ORDER BY 1)) END
  FROM object o ORDER BY 1, 2
