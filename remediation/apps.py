"""App configuration of the remediation gate."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy


class RemediationConfig(AppConfig):
    name = "remediation"
    verbose_name = gettext_lazy("Inventory, agents and people")

    def ready(self) -> None:
        from remediation import declarations, extensions

        extensions.load_catalogue()
        from remediation.services.people import signin

        signin.connect()
        # Of this app alone: once for each migrate.
        post_migrate.connect(declarations.fill, sender=self)
