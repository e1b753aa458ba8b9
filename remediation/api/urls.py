"""Paths below /api/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from remediation.api import schema, views

urlpatterns = [
    path("reports", views.ReportsView.as_view(), name="api-reports"),
    path("proposals/<uuid:proposal_id>", views.ProposalView.as_view(), name="api-proposal"),
    path(
        "proposals/<uuid:proposal_id>/withdraw", views.WithdrawView.as_view(), name="api-withdraw"
    ),
    path(
        "proposals/<uuid:proposal_id>/supersede",
        views.SupersedeView.as_view(),
        name="api-supersede",
    ),
    path("actions", views.ActionsView.as_view(), name="api-actions"),
    path("schema", schema.schema, name="api-schema"),
    path("docs", schema.docs, name="api-docs"),
    re_path(r"^.*$", views.NothingHereView.as_view()),
]
