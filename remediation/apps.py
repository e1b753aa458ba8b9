"""App configuration of the remediation gate."""

from __future__ import annotations

from django.apps import AppConfig


class RemediationConfig(AppConfig):
    name = "remediation"
    verbose_name = "Remediation"

    def ready(self) -> None:
        from remediation.services import signin

        signin.connect()
