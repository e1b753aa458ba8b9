"""Run SQL from files, so that it can be reviewed and diffed as SQL.

The living files (``<app>/sql/<subject>.sql``, listed in ``<app>/schema.py``) define the current
database. A migration never reads them: it runs a frozen copy of its changes from
``<app>/migrations/sql/<migration>/``, so that it always does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.db.migrations import RunSQL


def read(folder: Path, names: Sequence[str]) -> str:
    """Return the files' text, in the given order."""
    return "\n".join((folder / f"{name}.sql").read_text(encoding="utf-8") for name in names)


class RunSQLFiles(RunSQL):
    """Run ``<folder>/<name>.sql`` in the given order; ``<folder>/down.sql`` reverses it."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        super().__init__(sql=read(folder, names), reverse_sql=read(folder, ["down"]))
        self.folder, self.names = folder, tuple(names)

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        return type(self).__qualname__, [self.folder, self.names], {}

    def describe(self) -> str:
        return f"SQL files {', '.join(self.names)} of {self.folder.name}"
