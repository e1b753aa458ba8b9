"""Enrol the first passkey and set the password, with an operator's one-time code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from allauth.core.internal import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.services.people import enroll
from remediation.views import bodies, decorators
from remediation.views.account import ceremony
from remediation.views.account.page import InvitePage
from remediation.views.forms import InviteForm
from remediation.views.refusals import problem


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Show the form for a one-time code."""
    return render(request, "remediation/account/invite.html", {"page": InvitePage(InviteForm())})


@decorators.anonymous_json_post
@sensitive_variables("body", "form")
def start(request: HttpRequest, body: Mapping[str, Json]) -> HttpResponse:
    """Check the code without using it up; return the options for the new passkey."""
    form = _form(body)
    if not form.is_valid():
        return _field_errors(form)
    with _guessing_limited(request, form):
        user = enroll.open_invitation(
            username=form.cleaned_data["username"], code=form.cleaned_data["code"]
        )
    return JsonResponse(
        ceremony.begin(request, f"invite:{user.pk}", user, create=True, prove=False)
    )


@decorators.anonymous_json_post
@sensitive_variables("body", "form")
def finish(request: HttpRequest, body: Mapping[str, Json]) -> HttpResponse:
    """Use the code: password, passkey and record in one transaction."""
    form = _form(body)
    if not form.is_valid():
        return _field_errors(form)
    given = form.cleaned_data
    with _guessing_limited(request, form):
        user = enroll.open_invitation(username=given["username"], code=given["code"])
    begun = ceremony.take(request, f"invite:{user.pk}")
    # Another person may be signed in. Before the commit, a failure may still be an error.
    logout(request)
    enroll.redeem(
        username=given["username"],
        code=given["code"],
        password=given["password"],
        name=given["name"],
        credential=bodies.mapping(body, "credential"),
        challenge=begun.challenge,
    )
    messages.success(request, gettext("Enrolled. Sign in with your passkey."))
    return JsonResponse({"next": reverse("account_login")})


def _form(body: Mapping[str, Json]) -> InviteForm:
    return InviteForm(
        {name: bodies.text(body, name, 200) for name in ("username", "code", "password", "name")}
    )


@contextmanager
def _guessing_limited(request: HttpRequest, form: InviteForm) -> Iterator[None]:
    """Limit wrong codes by address and by account. Raises Throttled.

    A right code does not count: on an organisation's first morning fifty people enrol from one
    address. Each attempt counts while it lasts, so that many at once cannot pass.
    """
    username = str(form.cleaned_data["username"]).casefold()
    used = ratelimit.consume(
        request, action="invite", key=f"invite:{username}", app="allauth.account"
    )
    if not used:
        raise errors.Throttled(900)
    yield
    used.rollback()


def _field_errors(form: InviteForm) -> HttpResponse:
    detail = gettext("A field is missing or not valid; see the fields.")
    return problem(errors.BadValue(), detail=detail, fields=form.errors)
