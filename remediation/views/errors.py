"""Answers that belong to no page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The request carries no valid token: an old page, or another site (docs/attacks.md A17)."""
    detail = gettext(
        "This page is out of date: you signed in or out since it was loaded."
        " Nothing was changed. Load it again."
    )
    if request.content_type == "application/json":
        body = {
            "type": "about:blank",
            "title": gettext("Out of date"),
            "status": 403,
            "detail": detail,
        }
        return JsonResponse(body, status=403, content_type="application/problem+json")
    return render(request, "403_csrf.html", status=403)
