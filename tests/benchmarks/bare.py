"""A bare Django REST framework view that inserts one row: the reference for submissions.

The same body, the same gunicorn settings, a persistent connection to the same cluster; no
sign-in, no checks, no record. `python -m gunicorn tests.benchmarks.bare` serves it.
"""

from __future__ import annotations

import os

import django
from django.conf import settings

from hitlportal import env

DATABASE_URL = "BENCHMARK_BARE_DATABASE_URL"
settings.configure(
    SECRET_KEY="only for the benchmark",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": env.postgres(os.environ[DATABASE_URL])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402


class Note(models.Model):
    """One row."""

    payload = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bare"


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields = ("id", "payload", "at")


class NotesView(generics.CreateAPIView[Note]):
    queryset = Note._default_manager.all()
    serializer_class = NoteSerializer


urlpatterns = [path("notes", NotesView.as_view())]
application = get_wsgi_application()
