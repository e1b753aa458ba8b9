"""Create logins and database (once, as superuser) and apply grants (as owner, after migrate)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

SQL = Path(__file__).resolve().parent / "sql"
PROCESS_LOGINS = (
    *("hitl_owner", "hitl_web", "hitl_worker"),
    *("hitl_sequencer", "hitl_auditor", "hitl_eraser", "hitl_operator"),
)
# An arbitrary number; all installers must use the same one.
ROLES_LOCK = 0x6869746C

# Every login could fill the disk with large objects, which no grant on a table stops. The check
# at deploy names functions of this kind that somebody may execute (sql/manifest.sql).
_NO_LARGE_OBJECTS = """
DO $$
DECLARE f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace
              AND (p.proname LIKE 'lo\\_%' OR p.proname IN ('loread', 'lowrite')) LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$
"""


def create_logins(superuser_dsn: str, passwords: Mapping[str, str]) -> None:
    """Create the cluster's logins and set their passwords (the server stores SCRAM hashes).

    Holds an advisory lock, since concurrent ALTER ROLE on one cluster fails.
    """
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [ROLES_LOCK])
        connection.execute((SQL / "roles.sql").read_bytes())
        for login, password in passwords.items():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(login), sql.Literal(password)))


def create_database(superuser_dsn: str, name: str) -> None:
    """Create the portal's database for hitl_owner, if it does not exist."""
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            statement = sql.SQL(
                "CREATE DATABASE {} OWNER hitl_owner ENCODING 'UTF8' TEMPLATE template0"
            )
            connection.execute(statement.format(sql.Identifier(name)))


def narrow_database(dsn: str, name: str) -> None:
    """Revoke PostgreSQL's default rights from PUBLIC; as superuser, inside the database.

    Otherwise a temporary table could shadow a guarded table, and on PostgreSQL 14 every login
    could create objects in schema public.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        database = sql.Identifier(name)
        for statement in (
            "REVOKE ALL ON DATABASE {} FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {} TO"
            " hitl_web, hitl_worker, hitl_sequencer, hitl_auditor, hitl_eraser, hitl_operator",
        ):
            connection.execute(sql.SQL(statement).format(database))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute("GRANT USAGE, CREATE ON SCHEMA public TO hitl_owner")
        connection.execute(_NO_LARGE_OBJECTS)


def apply_grants(connection: psycopg.Connection) -> None:
    """Apply grants.sql as hitl_owner, on the caller's connection and in its transaction."""
    connection.execute((SQL / "grants.sql").read_bytes())
