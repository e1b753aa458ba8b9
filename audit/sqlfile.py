"""A migration operation that reads SQL from ``sql/NNNN_name.{up,down}.sql`` beside the app.

SQL in separate files can be reviewed and compared as SQL. The down file makes the migration
reversible.
"""

from __future__ import annotations

from pathlib import Path

from django.db.migrations import RunSQL


class RunSQLFile(RunSQL):
    """Runs ``<folder>/<name>.up.sql``; reversed by ``<folder>/<name>.down.sql``."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(
            sql=(folder / f"{name}.up.sql").read_text(encoding="utf-8"),
            reverse_sql=(folder / f"{name}.down.sql").read_text(encoding="utf-8"),
        )
        self.folder, self.name = folder, name

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        return type(self).__qualname__, [self.folder, self.name], {}

    def describe(self) -> str:
        return f"SQL file {self.name}"
