"""manage.py install_grants: the allow-list of every login, after each migrate, as hitl_owner."""

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
        self.stdout.write("Grants are as hitlportal/sql/grants.sql says.")
