"""Keep migrations and writes off the auditor's alias, a second login to the same database."""

from __future__ import annotations

from typing import Any


class DefaultOnly:
    """Allows `migrate` and writes on the default alias only."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "default"

    def db_for_write(self, model: type, **hints: Any) -> str:
        return "default"
