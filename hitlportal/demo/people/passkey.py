"""A passkey in software, for the demo's people and for tests only.

It does the work of authenticator and browser: it creates a key, answers a registration ("none"
attestation) and an assertion, in the JSON that a browser gives to a page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256
from fido2.webauthn import Aaguid, AttestedCredentialData, AuthenticatorData

from remediation.domain import b64url
from remediation.domain.gate.approvers import fingerprint
from remediation.domain.gate.signature import Assertion

_FLAG = AuthenticatorData.FLAG
# Order of P-256 (SEC 2, section 2.4.2): a private key is a number below it.
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class SoftPasskey:
    """One ES256 key with its credential id."""

    private_key: ec.EllipticCurvePrivateKey
    credential_id: bytes

    @classmethod
    def create(cls) -> Self:
        """Make a new key."""
        return cls._of(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_seed(cls, seed: str) -> Self:
        """Derive a key from a seed, always the same one; only for stored test vectors."""
        number = int.from_bytes(sha256(seed.encode()).digest()) % (_P256_ORDER - 1) + 1
        return cls._of(ec.derive_private_key(number, ec.SECP256R1()))

    @classmethod
    def load(cls, pem: bytes) -> Self:
        """Read a key that `dump` wrote."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("not an elliptic curve key")
        return cls._of(key)

    @classmethod
    def _of(cls, key: ec.EllipticCurvePrivateKey) -> Self:
        cose = cbor.encode(_public(key))
        return cls(key, sha256(b"credential" + cose).digest())

    def dump(self) -> bytes:
        """Return the private key as unencrypted PEM."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def cose_key(self) -> bytes:
        """The public key as COSE bytes, the form that the approvers file holds."""
        return cbor.encode(_public(self.private_key))

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.cose_key)

    def assertion(
        self, challenge: bytes, rp_id: str, origin: str, *, uv: bool = True, up: bool = True
    ) -> Assertion:
        """Sign a challenge; `uv` and `up` say whether the user was verified and present."""
        flags = (_FLAG.UV if uv else _FLAG(0)) | (_FLAG.UP if up else _FLAG(0))
        authenticator_data = bytes(
            AuthenticatorData.create(sha256(rp_id.encode()).digest(), flags, 0)
        )
        client_data = _client_data("webauthn.get", challenge, origin)
        return Assertion(
            credential_id=self.credential_id,
            authenticator_data=authenticator_data,
            client_data_json=client_data,
            signature=self.sign(authenticator_data + sha256(client_data).digest()),
        )

    def sign(self, message: bytes) -> bytes:
        # RFC 6979: the same message gives the same signature, so stored vectors are reproducible.
        return self.private_key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def registration(self, challenge: bytes, rp_id: str, origin: str) -> dict[str, Any]:
        """Answer navigator.credentials.create(): RegistrationResponseJSON, "none" attestation."""
        authenticator_data = AuthenticatorData.create(
            sha256(rp_id.encode()).digest(),
            _FLAG.UP | _FLAG.UV | _FLAG.AT,
            0,
            AttestedCredentialData.create(
                Aaguid.NONE,
                self.credential_id,
                _public(self.private_key),
            ),
        )
        attestation = {"fmt": "none", "attStmt": {}, "authData": bytes(authenticator_data)}
        return self._credential(
            {
                "clientDataJSON": b64url.encode(_client_data("webauthn.create", challenge, origin)),
                "attestationObject": b64url.encode(cbor.encode(attestation)),
                "transports": ["internal"],
            }
        )

    def authentication(self, challenge: bytes, rp_id: str, origin: str) -> dict[str, Any]:
        """Answer navigator.credentials.get(): AuthenticationResponseJSON."""
        made = self.assertion(challenge, rp_id, origin)
        return self._credential(
            {
                "authenticatorData": b64url.encode(made.authenticator_data),
                "clientDataJSON": b64url.encode(made.client_data_json),
                "signature": b64url.encode(made.signature),
            }
        )

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        credential_id = b64url.encode(self.credential_id)
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": response,
        }


def _public(key: ec.EllipticCurvePrivateKey) -> ES256:
    """The public half as a COSE key (RFC 9053 section 7.1.1: kty EC2, alg ES256, crv P-256)."""
    point = key.public_key().public_numbers()
    return ES256({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})


def _client_data(kind: str, challenge: bytes, origin: str) -> bytes:
    """The bytes that a browser serialises (WebAuthn Level 2, section 5.8.1.1)."""
    return json.dumps(
        {
            "type": kind,
            "challenge": b64url.encode(challenge),
            "origin": origin,
            "crossOrigin": False,
        },
        separators=(",", ":"),
    ).encode()
