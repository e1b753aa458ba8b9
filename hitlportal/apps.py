"""Define the app configurations of the package `hitlportal`."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PortalConfig(AppConfig):
    name = "hitlportal"

    def ready(self) -> None:
        # Registers the deployment checks, and makes this project's Celery app the current one, so
        # that services can send messages without importing this package.
        from hitlportal import (  # noqa: F401
            celery,
            deploy_checks,
            doors,
            process_checks,
            target_checks,
        )


class PortalAdminConfig(AdminConfig):
    default_site = "hitlportal.site.PortalAdminSite"
