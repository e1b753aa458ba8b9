"""A certificate authority of a test run, and the certificate of a node."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hitlportal.demo.servers.ports import LOOPBACK


@dataclass(frozen=True)
class Pki:
    """An authority and one certificate of it for the loopback address, each as PEM."""

    ca: str
    certificate: str
    key: str

    @classmethod
    def made(cls) -> Pki:
        ca_key, node_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca = _certificate("ca", "ca", ca_key, ca_key, is_ca=True)
        node = _certificate("node", "ca", node_key, ca_key, is_ca=False)
        key = node_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return cls(_pem(ca), _pem(node), key.decode())

    def files(self) -> dict[str, str]:
        return {"ca.pem": self.ca, "node.pem": self.certificate, "node.key": self.key}


def _certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signs: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(signs, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
