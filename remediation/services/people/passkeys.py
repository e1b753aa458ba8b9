"""Prepare a passkey signature in the browser, and verify that a key of the account made it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from fido2 import cbor
from fido2.utils import websafe_encode

from remediation.domain.errors import SignatureInvalid
from remediation.domain.gate.signature import Assertion, verify
from remediation.models import User

# Long enough to use a key, short enough that the page still shows the present state.
SESSION_LIFE = timedelta(minutes=5)


def options(user: User, challenge: bytes) -> dict[str, Any]:
    """Return the PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3, 5.1.10)."""
    return {
        "challenge": websafe_encode(challenge),
        "rpId": settings.RP_ID,
        "allowCredentials": [
            {"type": "public-key", "id": websafe_encode(credential_id)}
            for credential_id in keys_of(user)
        ],
        "userVerification": "required",
        "timeout": int(SESSION_LIFE.total_seconds() * 1000),
    }


def keys_of(user: User) -> dict[bytes, bytes]:
    """Return the person's passkeys, COSE key by credential id, from allauth's rows."""
    rows = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    found = {}
    for row in rows:
        data = row.wrap().authenticator_data.credential_data
        found[bytes(data.credential_id)] = cbor.encode(data.public_key)
    return found


def signed_by(user: User, given: Assertion, challenge: bytes) -> bytes:
    """Return the COSE key of the account that signed this challenge. Raises SignatureInvalid.

    This only gives the person an early answer. The worker's verification by the approvers file
    decides.
    """
    cose_key = keys_of(user).get(given.credential_id)
    if cose_key is None:
        raise SignatureInvalid("the passkey does not belong to this account")
    verify(
        given,
        challenge=challenge,
        cose_key=cose_key,
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )
    return cose_key
