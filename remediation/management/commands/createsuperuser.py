"""manage.py createsuperuser: not here. A superuser would have no power, and no record."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Refuses; accounts are made by `manage.py person add`."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("use: manage.py person add USER --group user_admin")
