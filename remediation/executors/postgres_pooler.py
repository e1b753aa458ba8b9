"""Try the old password once at a connection pooler, as a client does, by SCRAM-SHA-256.

A pooler verifies its clients itself: with a file of its own, or with what it asks the server. libpq
cannot tell who refused a client, since a pooler passes the server's words on: one that took the old
password and was then refused by the server would look like one that refuses it. So the exchange is
made here, and ends with the pooler's answer to the proof (RFC 5802). The password is not sent, and
no session is begun: the new password is not tried, since the session that a pooler opens for it
would look like a consumer that has moved.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from remediation.executors.base import Deadline
from remediation.executors.saslprep import saslprep

CONNECT_SECONDS = 4.0
# RFC 7677, 4: at least 4,096, PostgreSQL's default. With fewer, whoever answers as the pooler could
# guess the password from the proof. More than the most would keep the worker from its work.
LEAST_ITERATIONS, MOST_ITERATIONS = 4_096, 200_000
MOST_BYTES = 10_000

_TLS, _PROTOCOL = 80877103, 196608
_OK, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 10, 11, 12
_HEADER = "n,,"


class Answer(Enum):
    """What a pooler answers to the old password."""

    REFUSED = "it refuses the old password"
    TAKEN = "it still takes the old password"
    UNKNOWN = "it cannot be told whether it takes the old password"


@dataclass(frozen=True)
class Pooler:
    """Where consumers sign in at a pooler; `ca_file` None: without TLS."""

    host: str
    port: int
    database: str
    ca_file: Path | None = None


def pooler_name(cluster: str, name: str) -> str:
    """Return how people read a pooler's name."""
    return f"{cluster}, pooler {name}"


def try_password(pooler: Pooler, role: str, password: str, seconds: float) -> tuple[Answer, str]:
    """Return whether a pooler takes a password for a role, and why that cannot be told."""
    deadline = Deadline.within(min(CONNECT_SECONDS, seconds))
    if deadline.passed:
        return Answer.UNKNOWN, "no time is left"
    try:
        with socket.create_connection((pooler.host, pooler.port), timeout=deadline.left) as plain:
            if pooler.ca_file is None:
                return _exchange(_Link(plain, deadline), pooler, role, password), ""
            plain.sendall(struct.pack("!ii", 8, _TLS))
            if _Link(plain, deadline).read(1) != b"S":
                raise _NotToldError("it does not speak TLS")
            context = ssl.create_default_context(cafile=str(pooler.ca_file))
            with context.wrap_socket(plain, server_hostname=pooler.host) as secure:
                return _exchange(_Link(secure, deadline), pooler, role, password), ""
    except (OSError, ValueError, _NotToldError) as error:
        return Answer.UNKNOWN, " ".join(str(error).split())[:200] or type(error).__name__


class _NotToldError(Exception):
    """The pooler's answer is not one about a password."""


class _RefusedError(_NotToldError):
    """An error about the sign-in: a refusal where it answers the proof, else not about it."""


@dataclass(frozen=True)
class _Link:
    """A connection that ends at the deadline, however slowly the other side writes."""

    socket: socket.socket
    deadline: Deadline

    def read(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            self.socket.settimeout(max(self.deadline.left, 0.001))
            more = self.socket.recv(length - len(found))
            if not more:
                raise _NotToldError("it closed the connection")
            found += more
        return found

    def send(self, kind: bytes, body: bytes) -> None:
        self.socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def answer(self) -> tuple[int, bytes]:
        """Return the code and the rest of an authentication message.

        Raises _RefusedError, _NotToldError.
        """
        kind, length = struct.unpack("!ci", self.read(5))
        if kind not in (b"E", b"R") or not 8 <= length <= MOST_BYTES:
            raise _NotToldError("it does not speak PostgreSQL's protocol")
        body = self.read(length - 4)
        if kind == b"R":
            return struct.unpack("!i", body[:4])[0], body[4:]
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        state, said = fields.get(b"C", ""), fields.get(b"M", "")
        # PgBouncer answers a wrong proof with the state of a broken protocol and these words.
        if state.startswith("28") or said == "SASL authentication failed":
            raise _RefusedError(said)
        raise _NotToldError(said or "it answered with an error")


def _exchange(link: _Link, pooler: Pooler, role: str, password: str) -> Answer:
    words = ("user", role, "database", pooler.database, "application_name", "hitlportal", "")
    link.send(b"", struct.pack("!i", _PROTOCOL) + b"".join(word.encode() + b"\0" for word in words))
    code, offered = link.answer()
    if code == _OK:
        return Answer.TAKEN  # whatever the password is
    if code != _SASL or b"SCRAM-SHA-256" not in offered.split(b"\0"):
        raise _NotToldError("it does not ask for SCRAM-SHA-256")
    nonce = base64.b64encode(secrets.token_bytes(18)).decode()
    bare = f"n=,r={nonce}"
    first = f"{_HEADER}{bare}".encode()
    link.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
    code, challenge = link.answer()
    if code != _SASL_CONTINUE:
        raise _NotToldError("it did not go on with SCRAM-SHA-256")
    link.send(b"p", _final(bare, nonce, challenge.decode("ascii"), password))
    try:
        code, _ = link.answer()
    except _RefusedError:
        return Answer.REFUSED
    if code in (_SASL_FINAL, _OK):
        return Answer.TAKEN
    raise _NotToldError(f"it answered with {code}")


def _final(bare: str, nonce: str, challenge: str, password: str) -> bytes:
    """Return the client's last message, with the proof that it has the password."""
    given = dict(part.split("=", 1) for part in challenge.split(",") if "=" in part)
    iterations = int(given.get("i", "0"))
    if not given.get("r", "").startswith(nonce):
        raise _NotToldError("its challenge is not one of SCRAM-SHA-256")
    if not LEAST_ITERATIONS <= iterations <= MOST_ITERATIONS:
        raise _NotToldError(f"its challenge has {iterations} iterations")
    salt = base64.b64decode(given.get("s", ""), validate=True)
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password), salt, iterations)
    without = f"c={base64.b64encode(_HEADER.encode()).decode()},r={given['r']}"
    signed = f"{bare},{challenge},{without}".encode()
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{without},p={base64.b64encode(proof).decode()}".encode()
