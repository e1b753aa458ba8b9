"""Verify a passkey's assertion over a statement (Web Authentication Level 2, section 7.2).

The web process, the worker's gate and an auditor without a database use the same function.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

from fido2 import cbor
from fido2.cose import CoseKey
from fido2.webauthn import AuthenticatorData

from audit.tlog.canonical import Json
from remediation.domain import b64url
from remediation.domain.errors import BadInput, SignatureInvalid
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

# An assertion of a platform or security key has a few hundred bytes; RSA-4096 signs with 512.
_MAX_FIELD = 8 * 1024

# Accepted COSE algorithms: ES256, EdDSA, ES384, RS256 (RFC 9053 section 2, RFC 8812 section 2).
ALGORITHMS = frozenset({-7, -8, -35, -257})


@dataclass(frozen=True)
class Assertion:
    """The browser's result of navigator.credentials.get()."""

    credential_id: bytes
    authenticator_data: bytes
    client_data_json: bytes
    signature: bytes

    def to_json(self) -> dict[str, Json]:
        return {
            "credential_id": b64url.encode(self.credential_id),
            "authenticator_data": b64url.encode(self.authenticator_data),
            "client_data_json": b64url.encode(self.client_data_json),
            "signature": b64url.encode(self.signature),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Assertion:
        """Parse the form that `to_json` writes. Raises BadInput."""
        names = ("credential_id", "authenticator_data", "client_data_json", "signature")
        source = Fields(value, at, required=names)
        return cls(
            *(b64url.decode(source.text(n, 2 * _MAX_FIELD, least=1), source.at(n)) for n in names)
        )

    @classmethod
    def from_browser(cls, value: Json, at: str = "") -> Assertion:
        """Parse PublicKeyCredential.toJSON() (WebAuthn Level 3, 5.1). Raises BadInput.

        Ignores all other members: authenticators, browsers and extensions that wrap answers add
        some, and nothing is decided by them.
        """
        outer = ("id", "rawId", "type", "response")
        top = Fields(_only(value, outer), at, required=outer)
        top.one_of("type", ("public-key",))
        top.one_of("id", (top.text("rawId", 2 * _MAX_FIELD, least=1),))
        inner = ("authenticatorData", "clientDataJSON", "signature")
        response = Fields(_only(top.value("response"), inner), top.at("response"), required=inner)
        return cls(
            _bytes(top, "rawId"),
            _bytes(response, "authenticatorData"),
            _bytes(response, "clientDataJSON"),
            _bytes(response, "signature"),
        )


def verify(
    assertion: Assertion, *, challenge: bytes, cose_key: bytes, rp_id: str, origin: str
) -> None:
    """Verify the assertion for one key, one challenge, one relying party and one origin.

    Raises SignatureInvalid, also for malformed bytes; its detail names the invalid part.
    """
    _check_sizes(assertion)
    _check_client_data(assertion.client_data_json, challenge, origin)
    _check_authenticator_data(assertion.authenticator_data, rp_id)
    _check_signature(assertion, cose_key)


def verify_alone(assertion: Assertion, *, challenge: bytes, cose_key: bytes) -> None:
    """As `verify`, for a reader who does not know under which address the portal was then.

    A passkey signs for the relying party only that made it. Raises SignatureInvalid.
    """
    _check_sizes(assertion)
    _check_client_data(assertion.client_data_json, challenge, None)
    _check_authenticator_data(assertion.authenticator_data, None)
    _check_signature(assertion, cose_key)


def load_key(cose_key: bytes) -> CoseKey:
    """Parse a COSE key of an accepted algorithm. Raises SignatureInvalid."""
    try:
        decoded = cbor.decode(cose_key)
        if not isinstance(decoded, Mapping) or decoded.get(3) not in ALGORITHMS:
            raise SignatureInvalid("the key's algorithm is not allowed")
        return CoseKey.parse(decoded)
    except SignatureInvalid:
        raise
    except Exception as error:
        # fido2's CBOR reader raises many types for malformed bytes; each means "not a key".
        raise SignatureInvalid("the key cannot be read") from error


def _only(value: Json, names: Collection[str]) -> Json:
    """Return an object with these members only; any other value as it is."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if name in names}


def _bytes(source: Fields, name: str) -> bytes:
    return b64url.decode(source.text(name, 2 * _MAX_FIELD, least=1), source.at(name))


def _check_signature(assertion: Assertion, cose_key: bytes) -> None:
    signed = assertion.authenticator_data + sha256(assertion.client_data_json).digest()
    key = load_key(cose_key)
    try:
        key.verify(signed, assertion.signature)
    except Exception as error:
        # cryptography and fido2 raise many types for malformed bytes; each means "invalid".
        raise SignatureInvalid("the signature does not match the key") from error


def _check_sizes(assertion: Assertion) -> None:
    parts = (
        assertion.credential_id,
        assertion.authenticator_data,
        assertion.client_data_json,
        assertion.signature,
    )
    if not all(0 < len(part) <= _MAX_FIELD for part in parts):
        raise SignatureInvalid("a part is empty or too long")


def _check_client_data(raw: bytes, challenge: bytes, origin: str | None) -> None:
    """Verify section 7.2, steps 7 to 13. Unknown keys may be present (section 5.8.1).

    Without an origin any is taken: only `verify_alone` may ask so.
    """
    try:
        data = parse_json(raw, max_bytes=_MAX_FIELD)
    except BadInput as error:
        raise SignatureInvalid(f"client data: {error}") from None
    if not isinstance(data, dict):
        raise SignatureInvalid("client data is not an object")
    if data.get("type") != "webauthn.get":
        raise SignatureInvalid("client data is not of an assertion")
    stated = data.get("challenge")
    if not isinstance(stated, str) or not hmac.compare_digest(
        stated.encode(), b64url.encode(challenge).encode()
    ):
        raise SignatureInvalid("the challenge is not this statement's")
    if origin is not None and data.get("origin") != origin:
        raise SignatureInvalid("the origin is another one")
    if data.get("crossOrigin", False) is not False or "topOrigin" in data:
        raise SignatureInvalid("it was made inside a frame of another origin")


def _check_authenticator_data(raw: bytes, rp_id: str | None) -> None:
    """Verify section 7.2, steps 15 to 17, and the backup flags of Level 3; see above for None."""
    try:
        data = AuthenticatorData(raw)
    except Exception as error:
        # fido2's reader raises many types for malformed bytes; each means "cannot be read".
        raise SignatureInvalid("authenticator data cannot be read") from error
    if data.has_extension_data() and not isinstance(data.extensions, Mapping):
        raise SignatureInvalid("authenticator data has extensions that are none")
    if rp_id is not None and data.rp_id_hash != sha256(rp_id.encode()).digest():
        raise SignatureInvalid("the relying party is another one")
    if not data.is_user_present():
        raise SignatureInvalid("the user was not present")
    if not data.is_user_verified():
        raise SignatureInvalid("the user was not verified")
    flags = AuthenticatorData.FLAG(data.flags)
    if AuthenticatorData.FLAG.BS in flags and AuthenticatorData.FLAG.BE not in flags:
        raise SignatureInvalid("the backup flags contradict each other")
