"""Answers without a page of their own."""

from __future__ import annotations

import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views import defaults
from redis.exceptions import RedisError

from remediation.models import User

# django-htmx: a response with this status stops the polling of the element.
STOP_POLLING = 286


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a request without a valid token: old page or other site (docs/attacks.md A17)."""
    if request.content_type == "application/json":
        return _out_of_date(request)
    return render(request, "403_csrf.html", status=403)


def _out_of_date(request: HttpRequest) -> HttpResponse:
    """Answer a page's script. It may try again when the person of its page signed in anew.

    The new token is no secret from a page of ours, and no other site can read this answer. Another
    person gets none: she would act on a page that somebody else filled in.
    """
    detail = gettext(
        "This page is out of date: you signed in or out since it was loaded."
        " Nothing was changed. Load it again."
    )
    body: dict[str, object] = {
        "type": "about:blank",
        "title": gettext("Out of date"),
        "status": 403,
        "detail": detail,
        "reload": True,
    }
    page_of = request.headers.get("X-Page-Person", "")
    now = str(request.user.person) if isinstance(request.user, User) else ""
    if page_of and not now:
        body["status"] = 401
    elif page_of == now and request.headers.get("Origin") == settings.ORIGIN:
        body["token"] = get_token(request)
    kind = "application/problem+json"
    return JsonResponse(body, status=401 if body["status"] == 401 else 403, content_type=kind)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what no view caught: 503 while the shared cache is away, else 500.

    Sessions and limits are in that cache, so without it nobody can be let in; the sessions
    themselves go on when it is back. Nothing here may ask for the session or the person.
    """
    if not isinstance(sys.exc_info()[1], RedisError):
        return defaults.server_error(request)
    detail = gettext(
        "The portal's cache does not answer. Sessions go on when it is back. Try again in a minute;"
        " if it stays so, tell an operator. Whether the last step was recorded is seen on its page."
    )
    response: HttpResponse
    if "application/json" in (request.content_type, request.headers.get("Accept")):
        body = {"type": "about:blank", "title": gettext("Cache away"), "status": 503}
        kind = "application/problem+json"
        response = JsonResponse({**body, "detail": detail}, status=503, content_type=kind)
    else:
        response = HttpResponse(render_to_string("503.html", {"explain": detail}), status=503)
    response["Retry-After"] = "60"
    return response


def signed_out(request: HttpRequest) -> HttpResponse:
    """Answer a page that polls after its session ended."""
    return render(request, "remediation/cards/signed_out.html", status=STOP_POLLING)
