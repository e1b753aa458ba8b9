"""Verify the registration of a passkey before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from fido2 import cbor
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import PublicKeyCredentialRpEntity, RegistrationResponse

from remediation.domain.errors import PasskeyRefused, SignatureInvalid
from remediation.domain.gate.approvers import fingerprint
from remediation.domain.gate.signature import load_key

# WebAuthn section 13.4.3: a challenge has at least 16 bytes.
_LEAST_CHALLENGE = 16
# An attestation with a chain of certificates has a few kilobytes.
_MAX_CREDENTIAL = 64 * 1024
# WebAuthn section 4, credential ID.
_MAX_CREDENTIAL_ID = 1_023


@dataclass(frozen=True)
class Registration:
    """A verified registration: the public key, and the credential for allauth to store."""

    credential_id: bytes
    cose_key: bytes
    credential: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.cose_key)


def verify(credential: Mapping[str, Any], challenge: bytes) -> Registration:
    """Verify a registration (WebAuthn section 7.1). Raises PasskeyRefused.

    Verifies type, challenge, exact origin, no frame, RP id, user present and verified, and that
    the gate accepts the algorithm.
    """
    if len(challenge) < _LEAST_CHALLENGE:
        raise PasskeyRefused("the challenge is too short")
    if len(json.dumps(credential, default=str)) > _MAX_CREDENTIAL:
        raise PasskeyRefused("the registration is too long")
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=settings.RP_ID, name="hitlportal"),
        verify_origin=lambda origin: origin == settings.ORIGIN,
    )
    state = {"challenge": websafe_encode(challenge), "user_verification": "required"}
    try:
        answer = RegistrationResponse.from_dict(credential)
        data = server.register_complete(state, answer).credential_data
    except Exception as error:
        # fido2 raises many kinds of errors on malformed input; all mean the same here.
        raise PasskeyRefused(str(error)[:200]) from error
    if data is None or data.credential_id != answer.raw_id:
        raise PasskeyRefused("the attested credential has another id")
    if answer.response.client_data.cross_origin is not False:
        raise PasskeyRefused("it was made inside a frame of another origin")
    if len(data.credential_id) > _MAX_CREDENTIAL_ID:
        raise PasskeyRefused("the credential id is too long")
    cose_key = cbor.encode(data.public_key)
    try:
        load_key(cose_key)
    except SignatureInvalid as error:
        raise PasskeyRefused(error.detail) from error
    return Registration(data.credential_id, cose_key, _stored(credential, answer))


def _stored(credential: Mapping[str, Any], answer: RegistrationResponse) -> dict[str, Any]:
    """Return only those parts of the browser's credential that allauth reads again."""
    credential_id = websafe_encode(answer.raw_id)
    extensions = credential.get("clientExtensionResults")
    properties = extensions.get("credProps") if isinstance(extensions, dict) else None
    resident = properties.get("rk") if isinstance(properties, dict) else None
    return {
        "id": credential_id,
        "rawId": credential_id,
        "type": "public-key",
        "response": {
            "clientDataJSON": answer.response.client_data.b64,
            "attestationObject": websafe_encode(answer.response.attestation_object),
        },
        "clientExtensionResults": {"credProps": {"rk": resident is True}},
    }
