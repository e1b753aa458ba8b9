"""What a server shows in a TLS handshake: a full one, and a resumed one.

Servers are asked by their own address, with the name that clients use. A certificate that does not
verify is read nevertheless, because its serial number is what people must see.
"""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.tlog.canonical import Json
from remediation.executors.tls_bundle import anchors, pem
from remediation.executors.tls_places import Address

CONNECT_SECONDS = 3.0
# By TLS 1.3 a server sends its tickets right after the handshake; one that sends none costs this.
TICKET_MILLISECONDS = 500
# A server can resume by one of them and not by the other.
_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

# The last session with each server by each version; a session belongs to its context.
_sessions: dict[tuple[str, str, ssl.TLSVersion], tuple[ssl.SSLContext, ssl.SSLSession]] = {}


@dataclass(frozen=True)
class Shown:
    """What a server shows. `problem`: why a client would not take it; "" if it would.

    `resumed`: the serial number behind a resumed session; "" if the server resumes none.
    """

    serial: str
    public_key: str
    expires: datetime
    problem: str
    resumed: str

    def to_json(self, name: str) -> dict[str, Json]:
        return {
            "server": name,
            "serial": self.serial,
            "public_key": self.public_key,
            "expires": self.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "problem": self.problem,
            "resumed": self.resumed,
        }


def handshake(at: Address, hostname: str, trust_file: Path) -> Shown:
    """Return what the server shows. Raises OSError or ValueError if it shows nothing."""
    leaf, problem, resumed = _first(at, hostname, trust_file)
    return Shown(
        serial=serial_of(leaf),
        public_key=public_key_of(leaf),
        expires=leaf.not_valid_after_utc,
        problem=problem,
        resumed=resumed,
    )


def refusal(at: Address, hostname: str, trusted: str) -> str:
    """Return why a client that trusts exactly these certificates refuses the server; "" if it
    takes it. Raises OSError or ValueError if the server does not answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody yet
    if trusted:
        context.load_verify_locations(cadata=trusted)
    try:
        _connect(at, hostname, context)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or "refused"
    return ""


def serial_of(leaf: x509.Certificate) -> str:
    """Return the serial number as OpenBao writes it, without the colons."""
    return leaf.serial_number.to_bytes((leaf.serial_number.bit_length() + 7) // 8, "big").hex()


def public_key_of(leaf: x509.Certificate) -> str:
    raw = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).hexdigest()


def _first(at: Address, hostname: str, trust_file: Path) -> tuple[x509.Certificate, str, str]:
    # The library would wait for a pipe. `anchors` returns some: without any it trusts the public.
    trusting = ssl.create_default_context(cadata=pem(anchors(trust_file)))
    try:
        der = _connect(at, hostname, trusting)
        problem = ""
    except ssl.SSLCertVerificationError as error:
        problem = error.verify_message
        der = _connect(at, hostname, _any())
    leaf = x509.load_der_x509_certificate(der)
    return leaf, problem, _resumed(at, hostname, serial_of(leaf))


def _resumed(at: Address, hostname: str, shown: str) -> str:
    """Return the serial number that a resumed session stands for; "" if none is resumed.

    Another one than a full handshake shows comes first.
    """
    found = [one for version in _VERSIONS if (one := _resumed_by(version, at, hostname))]
    return next((one for one in found if one != shown), shown if found else "")


def _resumed_by(version: ssl.TLSVersion, at: Address, hostname: str) -> str:
    """Return what `_resumed` returns, for one version of TLS.

    Tries the session of this process's last look first: a server that kept its ticket keys resumes
    it, and its client goes on with the certificate of then.
    """
    key = (str(at), hostname, version)
    try:
        found = _again(at, hostname, *_sessions[key]) if key in _sessions else ""
        if found:  # kept for the next look: a server that resumes it now may do so then
            return found
        context = _any()
        context.minimum_version = context.maximum_version = version
        with _open(at, hostname, context) as secured:
            if version is ssl.TLSVersion.TLSv1_3:
                _take_ticket(secured)
            session = secured.session
        if session is None:
            return ""
        _sessions[key] = (context, session)
        return _again(at, hostname, context, session)
    except ssl.SSLError:  # the server does not take this version
        return ""


def _take_ticket(secured: ssl.SSLSocket) -> None:
    """Read what the server sent unasked; tickets go to the session, and no data are expected."""
    secured.setblocking(False)
    sent = select.poll()
    sent.register(secured, select.POLLIN)
    if sent.poll(TICKET_MILLISECONDS):
        with suppress(ssl.SSLWantReadError):
            secured.recv(1)


def _again(at: Address, hostname: str, context: ssl.SSLContext, session: ssl.SSLSession) -> str:
    with _open(at, hostname, context, session) as secured:
        leaf = x509.load_der_x509_certificate(_leaf(secured))
        return serial_of(leaf) if secured.session_reused else ""


def _any() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what is shown is read, and nothing is sent
    return context


def _connect(at: Address, hostname: str, context: ssl.SSLContext) -> bytes:
    """Return the leaf."""
    with _open(at, hostname, context) as secured:
        return _leaf(secured)


@contextmanager
def _open(
    at: Address, hostname: str, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((at.host, at.port), timeout=CONNECT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=hostname, session=session) as secured,
    ):
        yield secured


def _leaf(secured: ssl.SSLSocket) -> bytes:
    der = secured.getpeercert(binary_form=True)
    if der is None:
        raise ValueError("the server shows no certificate")
    return der
