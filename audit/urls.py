"""Auditors' addresses."""

from __future__ import annotations

from django.urls import path

from audit import views

urlpatterns = [
    path("entries/", views.entries, name="audit_entries"),
    path("entries/<int:pk>/", views.entry, name="audit_entry"),
]
