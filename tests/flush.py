"""Transactional tests empty the tables between them; the append-only triggers refuse TRUNCATE.

Only here, as the owner, the triggers are disabled around Django's flush and enabled again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations

TRIGGERS = """
SELECT format('ALTER TABLE %%s {verb} TRIGGER %%I', t.tgrelid::regclass, t.tgname)
  FROM pg_trigger t WHERE t.tgname IN ('append_only', 'no_rewrite') AND NOT t.tgisinternal
"""
LOG = (
    "TRUNCATE audit.entry, audit.leaf, audit.node, audit.checkpoint, audit.cosignature,"
    " audit.secret, audit.search"
)


def patch() -> None:
    """Make Django's flush work on append-only tables, and let it empty the audit log too."""

    def execute_sql_flush(self: DatabaseOperations, sql_list: Iterable[str]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
            disable = _statements(cursor, "DISABLE")
            enable = _statements(cursor, "ENABLE ALWAYS")
            cursor.execute("BEGIN")
            for statement in [*disable, *sql_list, LOG, *enable]:
                cursor.execute(statement)
            cursor.execute("COMMIT")

    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[assignment,method-assign]


def _statements(cursor: Any, verb: str) -> list[str]:
    cursor.execute(TRIGGERS.format(verb=verb).replace("%%", "%"))
    return [row[0] for row in cursor.fetchall()]
