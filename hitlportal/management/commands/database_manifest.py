"""Print or write the manifest that `hitlportal check --deploy` compares the database with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from hitlportal import database_manifest


class Command(BaseCommand):
    help = (
        "Prints the guards, views, constraints, owners and grants of this database, which must be "
        "freshly migrated and granted; --write stores them as hitlportal/sql/manifest.json."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true")

    def handle(self, *args: Any, write: bool, **options: Any) -> None:
        database = connections.create_connection("default")
        try:
            text = database_manifest.dump(database_manifest.read(database))
        finally:
            database.close()
        if write:
            database_manifest.MANIFEST.write_text(text, encoding="utf-8")
        else:
            self.stdout.write(text, ending="")
