"""Enrol the first passkey and set the password, with an operator's one-time code."""

from __future__ import annotations

from collections.abc import Mapping

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
from remediation.models import User
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
    user = _invited(request, form)
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
    user = _invited(request, form)
    credential = bodies.mapping(body, "credential")
    begun = ceremony.take(request, f"invite:{user.pk}", credential)
    # Another person may be signed in. Before the commit, a failure may still be an error.
    logout(request)
    enroll.redeem(
        username=given["username"],
        code=given["code"],
        password=given["password"],
        name=given["name"],
        credential=credential,
        challenge=begun.challenge,
    )
    messages.success(request, gettext("Enrolled. Sign in with your passkey."))
    return JsonResponse({"next": reverse("account_login")})


def _form(body: Mapping[str, Json]) -> InviteForm:
    return InviteForm(
        {name: bodies.text(body, name, 200) for name in ("username", "code", "password", "name")}
    )


def _invited(request: HttpRequest, form: InviteForm) -> User:
    """Return the account of a right code, from any address and however many were wrong.

    A code has 100 bits, so no limit is needed against guessing; a lock by name would keep the
    right person out for the code's whole life. Wrong codes are limited by address, against floods.
    Raises InvitationInvalid, Throttled.
    """
    given = form.cleaned_data
    try:
        return enroll.open_invitation(username=given["username"], code=given["code"])
    except errors.InvitationInvalid:
        if not ratelimit.consume(request, action="invite", app="allauth.account"):
            raise errors.Throttled(60) from None
        raise


def _field_errors(form: InviteForm) -> HttpResponse:
    detail = gettext("A field is missing or not valid; see the fields.")
    return problem(errors.BadValue(), detail=detail, fields=form.errors)
