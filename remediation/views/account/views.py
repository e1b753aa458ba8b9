"""List, add and remove a person's passkeys; both changes need an existing passkey."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.services.people import enroll, sessions
from remediation.views import bodies, decorators
from remediation.views.account import ceremony, presenter
from remediation.views.forms import PasskeyForm


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """Show the person's passkeys."""
    page = presenter.passkeys_page(decorators.person(request))
    return render(request, "remediation/account/page.html", {"page": page})


@decorators.json_post
def add_start(request: HttpRequest, body: Mapping[str, Json]) -> HttpResponse:
    """Start two ceremonies: an existing passkey, then the new one (docs/attacks.md A21)."""
    _named(body)
    return JsonResponse(
        ceremony.begin(request, "add", decorators.person(request), create=True, prove=True)
    )


@decorators.json_post
def add(request: HttpRequest, body: Mapping[str, Json]) -> HttpResponse:
    """Add the new passkey, after the person confirmed with an existing one."""
    person = decorators.person(request)
    assertion = bodies.mapping(body, "assertion")
    begun = ceremony.take(request, "add", assertion)
    ceremony.prove(begun, person, assertion)
    enroll.add_passkey(
        actor=person,
        name=_named(body),
        credential=bodies.mapping(body, "credential"),
        challenge=begun.challenge,
    )
    messages.success(
        request,
        gettext("The passkey is enrolled. Give an operator its fingerprint to approve with it."),
    )
    return JsonResponse({"next": reverse("passkeys")})


@decorators.json_post
def remove_start(request: HttpRequest, pk: int, body: Mapping[str, Json]) -> HttpResponse:
    """Start the ceremony that confirms the person before a passkey is removed."""
    person = decorators.person(request)
    return JsonResponse(ceremony.begin(request, f"remove:{pk}", person, create=False, prove=True))


@decorators.json_post
def remove(request: HttpRequest, pk: int, body: Mapping[str, Json]) -> HttpResponse:
    """Remove a passkey of this account."""
    person = decorators.person(request)
    assertion = bodies.mapping(body, "assertion")
    begun = ceremony.take(request, f"remove:{pk}", assertion)
    ceremony.prove(begun, person, assertion)
    enroll.remove_passkey(actor=person, authenticator_id=pk)
    # Those elsewhere end: one of them may have been made with the passkey that is gone.
    sessions.keep(person, request.session)
    messages.success(request, gettext("The passkey is removed. Its signatures stay on record."))
    return JsonResponse({"next": reverse("passkeys")})


def _named(body: Mapping[str, Json]) -> str:
    form = PasskeyForm({"name": bodies.text(body, "name")})
    if not form.is_valid():
        raise errors.BadValue("a name of at most 80 characters", pointer="/name")
    return str(form.cleaned_data["name"])
