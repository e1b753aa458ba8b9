"""Answers without a page of their own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext

# django-htmx: a response with this status stops the polling of the element.
STOP_POLLING = 286


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a request without a valid token: old page or other site (docs/attacks.md A17)."""
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


def signed_out(request: HttpRequest) -> HttpResponse:
    """Answer a page that polls after its session ended."""
    return render(request, "remediation/cards/signed_out.html", status=STOP_POLLING)
