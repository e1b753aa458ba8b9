"""Compare the database with what the guards expect (`hitlportal check --deploy`).

Each process uses its own connections, and so the logins that it will work with. The comparison
covers texts, owners, settings and switches of everything that guards, not only names. A database
that cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from hitlportal import database_manifest
from remediation import declarations

OLDEST = 140_000  # PostgreSQL 14
OWNER = "hitl_owner"
PROCESS_LOGINS = (
    *("hitl_web", "hitl_worker", "hitl_sequencer"),
    *("hitl_auditor", "hitl_eraser", "hitl_operator"),
)
# They change no state and may not read the tables of remediation.
ALONE = ("sequencer", "eraser", "operator")
REPAIR = "Run migrate and install_grants as hitl_owner, and find out who changed it."

# An error's id says which kind of object differs.
IDS = {
    "functions": "hitlportal.E004",
    "triggers": "hitlportal.E005",
    "views": "hitlportal.E006",
    "constraints": "hitlportal.E007",
    "relations": "hitlportal.E008",
    "columns": "hitlportal.E008",
    "schemas": "hitlportal.E009",
    "database": "hitlportal.E010",
    "rules": "hitlportal.E011",
}

ROLES = """
SELECT r.rolname::text,
       array_remove(ARRAY[
         CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
         CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
         CASE WHEN r.rolcreatedb AND r.rolname <> 'hitl_owner' THEN 'CREATEDB' END,
         CASE WHEN r.rolreplication THEN 'REPLICATION' END,
         CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END], NULL),
       ARRAY(SELECT m.roleid::regrole::text FROM pg_catalog.pg_auth_members m
              WHERE m.member = r.oid AND r.rolname <> 'hitl_owner' ORDER BY 1),
       ARRAY(SELECT m.member::regrole::text FROM pg_catalog.pg_auth_members m
              WHERE m.roleid = r.oid AND m.member::regrole::text <> 'hitl_owner' ORDER BY 1)
  FROM pg_catalog.pg_roles r WHERE r.rolname = ANY (%s) ORDER BY 1
"""


@register(Tags.database, deploy=True)
def check_database(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check every connection of this process: its login, and for the default one the database."""
    found: list[CheckMessage] = []
    for alias in settings.DATABASES:
        database = connections.create_connection(alias)
        try:
            found += check_connection(database, alias)
        except DatabaseError as error:
            found.append(_error("E001", f"{alias}: the database cannot be asked: {error}".strip()))
        finally:
            database.close()
    return found


def check_connection(database: BaseDatabaseWrapper, alias: str) -> Iterator[CheckMessage]:
    """Report everything wrong with one connection. Raises django.db.Error when it fails."""
    yield from check_login(database, alias)
    if alias == "default":
        yield from check_version(database)
        yield from check_roles(database)
        found = database_manifest.read(database)
        yield from compare(database_manifest.manifest(), found)
        tables = {"remediation.target_kind", "audit.author"}
        if settings.PROCESS not in ALONE and tables <= found["relations"].keys():
            yield from compare_declarations(
                declarations.declared(), declarations.recorded(database)
            )


def check_login(database: BaseDatabaseWrapper, alias: str) -> Iterator[CheckMessage]:
    """Report a login that is not the process's own, or that was changed by SET ROLE."""
    expected = f"hitl_{settings.PROCESS if alias == 'default' else alias}"
    with database.cursor() as cursor:
        cursor.execute("SELECT session_user::text, current_user::text")
        logins = set(cursor.fetchone())
    if logins != {expected}:
        yield _error(
            "E002",
            f"{alias}: the login is {', '.join(sorted(logins))}, not {expected}",
            f"HITL_PROCESS={settings.PROCESS} works with the database login {expected}.",
        )


def check_version(database: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    """Report a PostgreSQL server that is too old."""
    with database.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::integer")
        (version,) = cursor.fetchone()
    if version < OLDEST:
        yield _error("E012", f"PostgreSQL {version // 10_000} is older than 14")


def check_roles(database: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    """Report missing logins, and logins with attributes, memberships or members."""
    names = [OWNER, *PROCESS_LOGINS]
    with database.cursor() as cursor:
        cursor.execute(ROLES, [names])
        rows = cursor.fetchall()
    for missing in sorted(set(names) - {row[0] for row in rows}):
        yield _error("E003", f"login {missing} does not exist", "Run install_roles.")
    for name, attributes, belongs_to, members in rows:
        for words, values in (
            ("has", attributes),
            ("is a member of", belongs_to),
            ("can be played by", members),
        ):
            if values:
                yield _error("E003", f"login {name} {words} {', '.join(values)}")


def compare(
    expected: database_manifest.Facts, found: database_manifest.Facts
) -> Iterator[CheckMessage]:
    """Report each object that is missing, not known, or different."""
    for kind, identifier in IDS.items():
        should, has = expected[kind], found[kind]
        for name in sorted(should.keys() | has.keys()):
            what = _difference(should.get(name), has.get(name))
            if what:
                yield Error(f"{kind}: {name} {what}", hint=REPAIR, id=identifier)


def compare_declarations(
    declared: declarations.Declarations, recorded: declarations.Declarations
) -> Iterator[CheckMessage]:
    """Report each edge or kind of target that differs between the code and the guards' tables."""
    for what, should, has in (
        ("edge", declared.edges, recorded.edges),
        ("kind of target", _kinds(declared), _kinds(recorded)),
        ("writer of entries", declared.authors, recorded.authors),
    ):
        for row in sorted({*should} - {*has}):
            yield _error("E013", f"{what} {', '.join(row)} is missing")
        for row in sorted({*has} - {*should}):
            yield _error("E013", f"{what} {', '.join(row)} is not declared")


def _kinds(held: declarations.Declarations) -> set[tuple[str, ...]]:
    """Return the kinds in words: kind, locator, and the fields that it escapes, if any."""
    return {
        (kind, form, f"escapes {' '.join(escaped)}") if escaped else (kind, form)
        for kind, form, escaped in held.kinds
    }


def _difference(should: dict[str, Any] | None, has: dict[str, Any] | None) -> str:
    if should is None:
        return "is not known"
    if has is None:
        return "is missing"
    differing = [name for name in sorted(should) if should[name] != has.get(name)]
    return "; ".join(f"{name} is {has.get(name)!r}, not {should[name]!r}" for name in differing)


def _error(number: str, text: str, hint: str = REPAIR) -> Error:
    return Error(text, hint=hint, id=f"hitlportal.{number}")
