"""Provide the WSGI entry point of the web process."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from hitlportal.probes import Probes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitlportal.settings")
application = Probes(get_wsgi_application())
