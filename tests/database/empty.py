"""Make an empty database beside the test database, and list all objects of a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from hitlportal import database_manifest, roles
from tests import servers
from tests.database.logins import database, superuser

# Omitted in the manifest: only models and their migrations define it.
MORE = {
    "indexes": """
SELECT c.oid::regclass::text, pg_get_indexdef(c.oid)
  FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid
 WHERE t.relname LIKE 'remediation\\_%' OR t.relnamespace::regnamespace::text
       IN ('audit', 'remediation')""",
    "types": """
SELECT format('%s.%s', a.attrelid::regclass, a.attname),
       format('%s %s %s %s', format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
              a.attidentity, a.attnotnull)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v')
   AND (c.relname LIKE 'remediation\\_%' OR c.relnamespace::regnamespace::text
        IN ('audit', 'remediation'))""",
    "defaults": """
SELECT format('%s.%s', d.adrelid::regclass, a.attname), pg_get_expr(d.adbin, d.adrelid)
  FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  JOIN pg_class c ON c.oid = d.adrelid
 WHERE c.relname LIKE 'remediation\\_%' OR c.relnamespace::regnamespace::text
       IN ('audit', 'remediation')""",
}


@contextmanager
def empty_database(suffix: str) -> Iterator[DatabaseWrapper]:
    """Connect Django's default as hitl_owner to an empty database that an operator prepared."""
    name = f"{database()}_{suffix}"
    address = servers.addresses().portal.rsplit("/", 1)[0]
    roles.create_database(f"{address}/postgres", name)
    roles.narrow_database(f"{address}/{name}", name)
    before = connections["default"]
    made = DatabaseWrapper({**before.settings_dict, "NAME": name}, "default")
    connections["default"] = made
    try:
        yield made
    finally:
        connections["default"] = before
        made.close()
        with superuser("postgres", autocommit=True) as it:
            it.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def everything(owner: DatabaseWrapper) -> dict[tuple[str, str], object]:
    """Return every object by kind and name, with its definition."""
    # A connection of its own: reading leaves it with another search_path.
    reader = owner.copy()
    try:
        facts: dict[tuple[str, str], object] = {
            (kind, name): said
            for kind, objects in database_manifest.read(reader).items()
            for name, said in objects.items()
        }
        with reader.cursor() as cursor:
            for kind, query in MORE.items():
                cursor.execute(query)
                facts |= {(kind, name): said for name, said in cursor.fetchall()}
    finally:
        reader.close()
    return facts
