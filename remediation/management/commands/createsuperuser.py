"""manage.py createsuperuser: refuse; `is_superuser` grants nothing in the portal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Always refuses. Create accounts with `manage.py person add`."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("use: manage.py person add USER --group user_admin")
