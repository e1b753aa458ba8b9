"""Search for a delivered password where none may be: the portal's database, and every file that the
demo's processes write, logs and mails and the broker's data among them. Only the store has it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from hitlportal.demo.stack import Stack

TABLES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""


def forms(value: str) -> tuple[str, ...]:
    """Return what the value can look like: as it is, in hex, and in base64 at each alignment."""
    raw = value.encode()
    # The first and the last characters also depend on what stands beside the value.
    coded = (base64.b64encode(b"\0" * n + raw).decode()[4 if n else 0 :] for n in range(3))
    return (value, raw.hex(), *(text.rstrip("=")[:-1] for text in coded))


def tables(stack: Stack, value: str) -> tuple[int, list[str]]:
    """Return how many tables the portal's database has, and which of them have the value."""
    dsn = stack.servers.portal.superuser_dsn("hitlportal")
    with psycopg.connect(dsn, autocommit=True, application_name="demo") as connection:
        names = [sql.Identifier(*row) for row in connection.execute(TABLES).fetchall()]
        found = [name for name in names if _holds(connection, name, value)]
        return len(names), [name.as_string(connection) for name in found]


def _holds(connection: psycopg.Connection, name: sql.Identifier, value: str) -> bool:
    query = sql.SQL(
        "SELECT EXISTS (SELECT FROM {} AS t, unnest(%s::text[]) AS form"
        " WHERE position(form IN t::text) > 0)"
    ).format(name)
    row = connection.execute(query, [list(forms(value))]).fetchone()
    return bool(row and row[0])


def files(stack: Stack, value: str) -> tuple[int, list[str]]:
    """Return how many files were read, and which of them have the value; without the store."""
    wanted, count, found = [form.encode() for form in forms(value)], 0, []
    for path in _files(stack.directory, stack.store.directory):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, PermissionError):
            continue  # it ended meanwhile, or belongs to the servers' account, without a right
        count += 1
        if any(form in content for form in wanted):
            found.append(str(path.relative_to(stack.directory)))
    return count, found


def _files(directory: Path, without: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_symlink() or path == without:
            continue
        if path.is_dir():
            yield from _files(path, without)
        elif path.is_file():
            yield path
