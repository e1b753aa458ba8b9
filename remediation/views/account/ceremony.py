"""Passkey ceremonies other than decisions: enrol a passkey, and confirm with an existing one.

Only this file uses WebAuthn; the views decide what a result means. Challenges are kept in the
session, each is used once and expires after five minutes. Several may be open: a second tab must
not end the ceremony of the first (docs/attacks.md A80).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.models import User

SESSION_KEY = "passkey_ceremonies"
LIFE_S = 300
# Open ceremonies of a session; the oldest is forgotten first.
MOST_TABS = 8


@dataclass(frozen=True)
class Begun:
    """What the browser was asked for, read from the session."""

    purpose: str
    create: dict[str, Any] | None
    prove: dict[str, Any] | None

    @property
    def challenge(self) -> bytes:
        """Return the challenge of the new passkey."""
        assert self.create is not None
        return websafe_decode(self.create["challenge"])


def begin(
    request: HttpRequest, purpose: str, user: User, *, create: bool, prove: bool
) -> dict[str, Any]:
    """Start a ceremony; return the options for the browser."""
    options: dict[str, Any] = {}
    kept: dict[str, Any] = {"purpose": purpose, "at": time.time(), "create": None, "prove": None}
    if create:
        options["create"], kept["create"] = _creation(user)
    if prove:
        options["prove"], kept["prove"] = _request(user)
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, []), kept][-MOST_TABS:]
    return options


def take(request: HttpRequest, purpose: str, answer: Mapping[str, Json]) -> Begun:
    """Return what `begin` asked for, once: that whose challenge was answered, else the newest.

    An answer to no open challenge is refused by what the caller verifies next.
    Raises SessionExpired when nothing is open for this purpose.
    """
    begun = request.session.get(SESSION_KEY, [])
    since = time.time() - LIFE_S
    fitting = [one for one in begun if one["purpose"] == purpose and one["at"] >= since]
    if not fitting:
        raise errors.SessionExpired("start again")
    challenge = _answered(answer)
    found = next((one for one in fitting if challenge in _asked(one)), fitting[-1])
    request.session[SESSION_KEY] = [one for one in begun if one is not found]
    return Begun(purpose, found["create"], found["prove"])


def _asked(kept: dict[str, Any]) -> set[str]:
    return {kept[part]["challenge"] for part in ("create", "prove") if kept[part]}


def _answered(answer: Mapping[str, Json]) -> str:
    """Return the challenge that the browser says it answered; nothing is verified yet."""
    try:
        data = CollectedClientData(websafe_decode(answer["response"]["clientDataJSON"]))  # type: ignore[index, call-overload, arg-type]
        return websafe_encode(data.challenge)
    except (KeyError, TypeError, ValueError):
        return ""


def prove(begun: Begun, user: User, assertion: Mapping[str, Json]) -> None:
    """Check that a passkey of this account was used. Raises SignatureInvalid."""
    try:
        _server().authenticate_complete(begun.prove, credentials_of(user), dict(assertion))
    except (ValueError, TypeError, KeyError) as error:
        raise errors.SignatureInvalid("no passkey of this account answered") from error


def credentials_of(user: User) -> list[AttestedCredentialData]:
    """Return the account's passkeys, from allauth's rows."""
    rows = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    return [row.wrap().authenticator_data.credential_data for row in rows]


def _creation(user: User) -> tuple[dict[str, Any], dict[str, Any]]:
    options, state = _server().register_begin(
        # The handle is the opaque id, so a lost device does not reveal the person.
        PublicKeyCredentialUserEntity(
            id=user.person.bytes, name=user.get_username(), display_name=user.get_username()
        ),
        credentials_of(user),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options)["publicKey"], dict(state)


def _request(user: User) -> tuple[dict[str, Any], dict[str, Any]]:
    options, state = _server().authenticate_begin(
        credentials_of(user), user_verification=UserVerificationRequirement.REQUIRED
    )
    return dict(options)["publicKey"], dict(state)


def _server() -> Fido2Server:
    return Fido2Server(
        PublicKeyCredentialRpEntity(id=settings.RP_ID, name="hitlportal"),
        verify_origin=lambda origin: origin == settings.ORIGIN,
    )
