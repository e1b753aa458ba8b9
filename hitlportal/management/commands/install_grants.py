"""Apply the grants of every login (`hitlportal install_grants`, after each migrate)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from hitlportal import roles


class Command(BaseCommand):
    help = "Applies hitlportal/sql/grants.sql; run as hitl_owner after every migrate."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            connection.ensure_connection()
            roles.apply_grants(connection.connection)
        self.stdout.write("Applied hitlportal/sql/grants.sql.")
