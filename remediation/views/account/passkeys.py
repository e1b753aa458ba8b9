"""A person's passkeys: list, add with proof of an existing one, remove likewise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from fido2 import cbor

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.gate.approvers import fingerprint
from remediation.models import User
from remediation.services.people import enroll
from remediation.views import decorators
from remediation.views.account import ceremony
from remediation.views.forms import PasskeyForm


@dataclass(frozen=True)
class Row:
    """One passkey; the fingerprint is what an operator compares."""

    id: int
    name: str
    fingerprint: str
    created_at: datetime
    last_used_at: datetime | None


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    context = {"rows": rows(decorators.person(request)), "form": PasskeyForm()}
    return render(request, "remediation/passkeys.html", context)


@decorators.json_post
def add_start(request: HttpRequest, body: Mapping[str, Json]) -> HttpResponse:
    """Options for two ceremonies: one passkey that is there, then the new one (A21)."""
    _named(body)
    return JsonResponse(
        ceremony.begin(request, "add", decorators.person(request), create=True, prove=True)
    )


@decorators.json_post
def add(request: HttpRequest, body: Mapping[str, Json]) -> HttpResponse:
    person = decorators.person(request)
    begun = ceremony.take(request, "add")
    ceremony.prove(begun, person, decorators.mapping(body, "assertion"))
    enroll.add_passkey(
        actor=person,
        name=_named(body),
        credential=decorators.mapping(body, "credential"),
        challenge=begun.challenge,
    )
    messages.success(
        request,
        gettext("The passkey is enrolled. Tell an operator its fingerprint to approve with it."),
    )
    return JsonResponse({"next": reverse("passkeys")})


@decorators.json_post
def remove_start(request: HttpRequest, pk: int, body: Mapping[str, Json]) -> HttpResponse:
    person = decorators.person(request)
    return JsonResponse(ceremony.begin(request, f"remove:{pk}", person, create=False, prove=True))


@decorators.json_post
def remove(request: HttpRequest, pk: int, body: Mapping[str, Json]) -> HttpResponse:
    person = decorators.person(request)
    begun = ceremony.take(request, f"remove:{pk}")
    ceremony.prove(begun, person, decorators.mapping(body, "assertion"))
    enroll.remove_passkey(actor=person, authenticator_id=pk)
    messages.success(request, gettext("The passkey is removed. What it signed stays on record."))
    return JsonResponse({"next": reverse("passkeys")})


def rows(person: User) -> list[Row]:
    found = Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN)
    return [
        Row(
            id=row.pk,
            name=str(row.data.get("name", "")),
            fingerprint=fingerprint(
                cbor.encode(row.wrap().authenticator_data.credential_data.public_key)
            ),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )
        for row in found.order_by("pk")
    ]


def _named(body: Mapping[str, Json]) -> str:
    form = PasskeyForm({"name": decorators.text(body, "name")})
    if not form.is_valid():
        raise errors.BadValue("a name of at most 80 characters", pointer="/name")
    return str(form.cleaned_data["name"])
