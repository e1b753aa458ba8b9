"""App configurations of the wiring package."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PortalConfig(AppConfig):
    name = "hitlportal"

    def ready(self) -> None:
        # Registers the deploy checks, and makes this project's Celery app the current one, so
        # that services can send without importing the wiring.
        from hitlportal import celery, deploy_checks  # noqa: F401


class PortalAdminConfig(AdminConfig):
    default_site = "hitlportal.site.PortalAdminSite"
