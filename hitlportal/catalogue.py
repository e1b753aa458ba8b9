"""What stands in a database: guards, views, constraints, owners and grants, as plain JSON.

Read from pg_catalog, which every login may read, so each process can check what it relies on.
The same facts are kept in ``sql/manifest.json`` (``manage.py database_manifest``); they are worded
alike by PostgreSQL 14 to 18.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper

MANIFEST = Path(__file__).resolve().parent / "sql" / "manifest.json"

# One fact by the name of the object that it is about.
Facts: TypeAlias = "dict[str, dict[str, Any]]"

# Names in definitions are then always written with their schema.
PLAIN = "SET search_path = pg_catalog"
OURS = "('public', 'audit', 'remediation')"
# Of Django's and other packages' tables only owners and grants are ours to say.
GUARDED = "(n.nspname IN ('audit', 'remediation') OR c.relname LIKE 'remediation\\_%')"

# Who may do what, without the object's owner, who may do everything (PostgreSQL 17 added a
# privilege to that).
ACL = """ARRAY(SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END
                || ' ' || x.privilege_type || CASE WHEN x.is_grantable THEN ' GRANTABLE' ELSE '' END
           FROM aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) AS x
          WHERE x.grantee <> {owner} ORDER BY 1)"""

QUERIES = {
    # The text, whose rights it runs with, and the search_path that it fixes.
    "functions": f"""
        SELECT p.oid::regprocedure::text, jsonb_build_object(
                 'sha256', encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'),
                 'owner', p.proowner::regrole::text, 'definer', p.prosecdef,
                 'config', coalesce(to_jsonb(p.proconfig), '[]'), 'volatile', p.provolatile::text,
                 'language', l.lanname, 'returns', pg_get_function_result(p.oid),
                 'grants', {ACL.format(acl="p.proacl", kind="f", owner="p.proowner")})
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          JOIN pg_language l ON l.oid = p.prolang
         WHERE n.nspname IN {OURS}""",
    "triggers": f"""
        SELECT format('%s on %s', t.tgname, t.tgrelid::regclass), jsonb_build_object(
                 'enabled', t.tgenabled::text, 'definition', pg_get_triggerdef(t.oid))
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal AND n.nspname IN {OURS}""",
    # With event triggers, rules or row security somebody could change what a guard sees.
    "rules": f"""
        SELECT format('%s on %s', r.rulename, r.ev_class::regclass), '{{}}'::jsonb
          FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN {OURS} AND r.rulename <> '_RETURN'
        UNION ALL SELECT format('event trigger %s', evtname), '{{}}'::jsonb FROM pg_event_trigger
        UNION ALL SELECT format('policy %s on %s', polname, polrelid::regclass), '{{}}'::jsonb
          FROM pg_policy""",
    "constraints": f"""
        SELECT format('%s on %s', k.conname, k.conrelid::regclass), jsonb_build_object(
                 'definition', pg_get_constraintdef(k.oid), 'valid', k.convalidated)
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype IN ('c', 'u', 'p', 'f', 'x') AND {GUARDED}""",
    "relations": f"""
        SELECT c.oid::regclass::text, jsonb_build_object(
                 'kind', c.relkind::text, 'owner', c.relowner::regrole::text,
                 'grants', {ACL.format(acl="c.relacl", kind="r", owner="c.relowner")},
                 'column_grants', coalesce((
                   SELECT jsonb_object_agg(a.attname, {ACL.format(acl="a.attacl", kind="c", owner="c.relowner")})
                     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL
                      AND a.attnum > 0 AND NOT a.attisdropped), '{{}}'))
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname IN {OURS}""",
    "sequences": f"""
        SELECT c.oid::regclass::text, jsonb_build_object('owner', c.relowner::regrole::text,
                 'grants', {ACL.format(acl="c.relacl", kind="s", owner="c.relowner")})
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'S' AND n.nspname IN {OURS}""",
    "views": f"""
        SELECT c.oid::regclass::text, jsonb_build_object('definition', pg_get_viewdef(c.oid))
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'v' AND n.nspname IN {OURS}""",
    # Schema public belongs to pg_database_owner from 15 on; the others to ours.
    "schemas": f"""
        SELECT n.nspname::text, jsonb_build_object(
                 'owner', CASE WHEN n.nspname <> 'public' THEN n.nspowner::regrole::text END,
                 'grants', {ACL.format(acl="n.nspacl", kind="n", owner="n.nspowner")})
          FROM pg_namespace n
         WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'""",
    "database": f"""
        SELECT 'database', jsonb_build_object('owner', d.datdba::regrole::text,
                 'grants', {ACL.format(acl="d.datacl", kind="d", owner="d.datdba")})
          FROM pg_database d WHERE d.datname = current_database()""",
}


def read(database: BaseDatabaseWrapper) -> dict[str, Facts]:
    """All facts of this connection's database, by kind and by name.

    Leaves the connection with another search_path: hand in one of your own. Raises
    django.db.Error.
    """
    found: dict[str, Facts] = {}
    with database.cursor() as cursor:
        cursor.execute(PLAIN)
        for kind, query in QUERIES.items():
            # Without parameters, so that a % is a %.
            cursor.execute(query)
            found[kind] = {name: _loaded(fact) for name, fact in cursor.fetchall()}
    return found


def _loaded(fact: Any) -> dict[str, Any]:
    """Django reads jsonb as text."""
    loaded: dict[str, Any] = json.loads(fact) if isinstance(fact, str) else fact
    return loaded


def dump(facts: dict[str, Facts]) -> str:
    """The manifest's text: sorted, one fact a line, so that a change reads as one."""
    kinds = []
    for kind in sorted(facts):
        lines = [
            f"    {json.dumps(name)}: {json.dumps(fact, sort_keys=True)}"
            for name, fact in sorted(facts[kind].items())
        ]
        body = ",\n".join(lines)
        kinds.append(f"  {json.dumps(kind)}: {{\n{body}\n  }}" if lines else f'  "{kind}": {{}}')
    return "{\n" + ",\n".join(kinds) + "\n}\n"


def manifest() -> dict[str, Facts]:
    """What the database should hold."""
    loaded: dict[str, Facts] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return loaded
