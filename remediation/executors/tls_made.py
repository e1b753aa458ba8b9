"""The key and the certificate of one step: made here, signed by OpenBao, proved as clients do."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from remediation.executors.base import Deadline, Outcome
from remediation.executors.delivery import Rotation
from remediation.executors.errors import NotApplied
from remediation.executors.openbao_server import Api, changing, require_time
from remediation.executors.secret import SecretValue, watch
from remediation.executors.tls_bundle import anchors
from remediation.executors.tls_handshake import public_key_of, serial_of
from remediation.executors.tls_pki import colons
from remediation.executors.tls_places import Certificate

SAME_KEY = "the public key is the old one: whoever has the old private key has the new one, too"


class Made:
    """The key and the certificate of one step."""

    def __init__(
        self, api: Api, entry: Certificate, old_keys: frozenset[str], deadline: Deadline
    ) -> None:
        self._api, self._entry, self._old, self._deadline = api, entry, old_keys, deadline
        self.told: dict[str, str] = {}
        self.rotation = Rotation(
            make=self.make,
            set_at_target=lambda value: None,  # its clients take it: they trust its issuer
            proves=self.proves,
            unmake=self.unmake,
        )

    def outcome(self, done: Outcome) -> Outcome:
        """Add the certificate to what was delivered."""
        return Outcome({**done.detail, **self.told}, made={**self.told, **done.made})

    def make(self) -> SecretValue:
        key = new_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._entry.hostname)])
        names = x509.SubjectAlternativeName([x509.DNSName(self._entry.hostname)])
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        watch(text)
        if _hash(key) in self._old:
            raise NotApplied(SAME_KEY)
        signed = self._sign(request.public_bytes(serialization.Encoding.PEM).decode())
        chain = signed.get("ca_chain")
        above = chain if isinstance(chain, list) and chain else [signed["issuing_ca"]]
        return SecretValue(
            {
                "private_key": text,
                "certificate": "\n".join([str(signed["certificate"]), *map(str, above), ""]),
            }
        )

    def _sign(self, request: str) -> dict[str, object]:
        require_time(self._deadline)
        with changing():
            signed = self._api.post(
                f"{self._entry.mount}/sign/{self._entry.role}",
                {"csr": request, "common_name": self._entry.hostname, "ttl": self._entry.ttl},
            )
        if signed is None:
            raise NotApplied("OpenBao signed nothing")
        return signed

    def proves(self, value: SecretValue) -> bool | None:
        """Return whether clients would take it: key, name, chain, and not the old key."""
        chain = x509.load_pem_x509_certificates(value.reveal("certificate").encode())
        key = serialization.load_pem_private_key(value.reveal("private_key").encode(), None)
        leaf = chain[0]
        if key.public_key() != leaf.public_key() or public_key_of(leaf) in self._old:
            return False
        policy = PolicyBuilder().store(Store(anchors(self._entry.trust_file)))
        try:
            policy.build_server_verifier(x509.DNSName(self._entry.hostname)).verify(leaf, chain[1:])
        except VerificationError:
            return False
        self.told = {"serial": serial_of(leaf), "public_key": public_key_of(leaf)}
        return True

    def unmake(self, value: SecretValue) -> None:
        leaf = x509.load_pem_x509_certificates(value.reveal("certificate").encode())[0]
        with changing():
            self._api.post(
                f"{self._entry.mount}/revoke", {"serial_number": colons(serial_of(leaf))}
            )


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _hash(key: ec.EllipticCurvePrivateKey) -> str:
    raw = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(raw).hexdigest()
