"""SQL in files of its own: it can be read, reviewed and diffed as SQL.

The living files (``<app>/sql/<subject>.sql``, listed in ``<app>/schema.py``) say what stands in a
database now. A migration never reads them: it runs a frozen copy of what it changes, from
``<app>/migrations/sql/<migration>/``, so that it does the same for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.db.migrations import RunSQL


def read(folder: Path, names: Sequence[str]) -> str:
    """The files' text, in the given order."""
    return "\n".join((folder / f"{name}.sql").read_text(encoding="utf-8") for name in names)


class RunSQLFiles(RunSQL):
    """Runs ``<folder>/<name>.sql`` in the given order; reversed by ``<folder>/down.sql``."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        super().__init__(sql=read(folder, names), reverse_sql=read(folder, ["down"]))
        self.folder, self.names = folder, tuple(names)

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        return type(self).__qualname__, [self.folder, self.names], {}

    def describe(self) -> str:
        return f"SQL files {', '.join(self.names)} of {self.folder.name}"
