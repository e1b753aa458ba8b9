"""A client of TLS servers, as a process of its own, that handshakes and asks all the time.

`python -m tests.executors.tls_client HOSTNAME BUNDLE CRL_URL PORT … RECORD` (see asking.py) goes
round these servers: it asks over a connection that it holds, with a full handshake, and with a
session that it resumes. It loads the bundle, and the list of revoked certificates from CRL_URL (""
for none), anew when they change, notes that as "loaded", and begins new connections. A connection
is held for 0.5 seconds at most, as a pool does.
"""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import ssl
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, TextIO

from cryptography import x509

PATIENCE_S = 60  # a machine with other work answers slowly, which is no failure
HOLD_SECONDS = 0.5
FETCH_EVERY = 0.25
PAUSE = 0.02


def fetch(url: str) -> str:
    """Return the list of revoked certificates as PEM."""
    if not url:
        return ""
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        body = base64.encodebytes(answer.read()).decode()
    return f"-----BEGIN X509 CRL-----\n{body}-----END X509 CRL-----\n"


def trusting(bundle: str, revoked: str) -> ssl.SSLContext:
    """Return a context that verifies against these certificates and this list."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # a session is there after the handshake
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(bundle + "\n" + revoked)
        file.flush()
        context.load_verify_locations(file.name)
    if revoked:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def connect(
    port: int, hostname: str, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    try:
        return context.wrap_socket(plain, server_hostname=hostname, session=session)
    except BaseException:
        plain.close()
        raise


def ask(secured: ssl.SSLSocket) -> str:
    """Send a request and read the answer; return the serial number of the server's certificate."""
    secured.sendall(b"?")
    if secured.recv(1) != b"?":
        raise ConnectionError("no answer")
    der = secured.getpeercert(binary_form=True)
    assert der is not None
    number = x509.load_der_x509_certificate(der).serial_number
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex()


def write(record: TextIO, line: dict[str, Any]) -> None:
    record.write(json.dumps(line) + "\n")
    record.flush()


class Client:
    """What one server is asked with."""

    def __init__(self, port: int, hostname: str, record: TextIO) -> None:
        self._port, self._hostname, self._record = port, hostname, record
        self._held: ssl.SSLSocket | None = None
        self._since = 0.0
        self._session: ssl.SSLSession | None = None

    def begin_anew(self) -> None:
        """Close what was begun with an earlier context."""
        self._session = None
        if self._held is not None:
            self._held.close()
            self._held = None

    def round(self, context: ssl.SSLContext) -> None:
        self._try("held", self._over_held, context)
        self._try("full", self._full, context)
        self._try("resumed", self._resumed, context)

    def _try(self, how: str, call: Any, context: ssl.SSLContext) -> None:
        line = {"port": self._port, "how": how, "serial": "", "error": ""}
        try:
            line |= call(context)
        except OSError as error:
            line["error"] = str(error)
        write(self._record, line)

    def _over_held(self, context: ssl.SSLContext) -> dict[str, str]:
        if self._held is not None and time.monotonic() - self._since > HOLD_SECONDS:
            self._held.close()
            self._held = None
        if self._held is None:
            self._held = connect(self._port, self._hostname, context)
            self._since = time.monotonic()
        return {"serial": ask(self._held)}

    def _full(self, context: ssl.SSLContext) -> dict[str, str]:
        with connect(self._port, self._hostname, context) as secured:
            found = ask(secured)
            self._session = secured.session
            return {"serial": found}

    def _resumed(self, context: ssl.SSLContext) -> dict[str, str]:
        with connect(self._port, self._hostname, context, self._session) as secured:
            how = "resumed" if secured.session_reused else "full"  # the server chooses
            return {"serial": ask(secured), "how": how}


def main() -> None:
    hostname, bundle, url, *ports, record = sys.argv[1:]
    with Path(record).open("a") as file:
        clients = [Client(int(port), hostname, file) for port in ports]
        loaded, context = ("", ""), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        revoked, next_fetch = "", 0.0
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            if time.monotonic() >= next_fetch:
                with contextlib.suppress(OSError):  # it keeps the list that it has
                    revoked = fetch(url)
                next_fetch = time.monotonic() + FETCH_EVERY
            found = (Path(bundle).read_text(), revoked)
            if found != loaded:
                loaded, context = found, trusting(*found)
                write(file, {"port": 0, "how": "loaded", "serial": "", "error": ""})
                for one in clients:
                    one.begin_anew()
            for one in clients:
                one.round(context)


if __name__ == "__main__":
    main()
