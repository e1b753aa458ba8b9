"""The auditor's alias is a second login to the same database: never migrated, never written."""

from __future__ import annotations

from typing import Any


class DefaultOnly:
    """Routes nothing; keeps `migrate` and writes off every alias but the default one."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "default"

    def db_for_write(self, model: type, **hints: Any) -> str:
        return "default"
