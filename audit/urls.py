"""URLs of the auditors' pages."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from audit.views import entries, entry, state

urlpatterns = [
    # The page below it decides who may see it.
    path(
        "",
        RedirectView.as_view(pattern_name="audit_entries", http_method_names=["get", "head"]),
        name="audit",
    ),
    path("entries/", entries.entries, name="audit_entries"),
    path("entries/<int:pk>/", entry.entry, name="audit_entry"),
    path("entries/<int:pk>/proof", entry.proof, name="audit_proof"),
    path("entries/<int:pk>/body", entry.body, name="audit_body"),
    path("log/", state.state, name="audit_log"),
    path("log/<slug:kind>", state.download, name="audit_download"),
]
