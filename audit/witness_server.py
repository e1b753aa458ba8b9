"""`manage.py audit_witness`: run a witness on another machine (C2SP tlog-witness).

It needs no database and no settings of the portal. It remembers the last head of each known log,
cosigns only heads that extend it, and stores a head before it cosigns it.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from audit import signing
from audit.signing import NoteSigner
from audit.tlog.errors import (
    BadProof,
    BadSignature,
    Fork,
    Malformed,
    Stale,
    TlogError,
    UnknownKey,
)
from audit.tlog.head import HeadFile
from audit.tlog.note import COSIGNATURE, VerifierKey
from audit.tlog.policy import Policy
from audit.tlog.witness import Conflict, Request, UnknownOrigin, add_checkpoint
from audit.verifying import verify

logger = logging.getLogger(__name__)

PATH = "/add-checkpoint"
# A proof of 63 lines and a note with many signatures have about 10 kB.
MAX_BODY = 64 * 1024
# A log sends faster than this: the limit for one wait, and for the whole request.
READ_S = 5.0
WHOLE_S = 10.0
# A log sends one request at a time.
MAX_CLIENTS = 64
# Several logs may stand behind one address.
PER_ADDRESS = 8

# C2SP tlog-witness, add-checkpoint: the status of each refusal.
STATUS: tuple[tuple[type[TlogError], int], ...] = (
    (UnknownOrigin, 404),
    (UnknownKey, 403),
    (BadSignature, 403),
    (Conflict, 409),
    (Fork, 422),
    (BadProof, 422),
    (Malformed, 400),
)


class Witness:
    """The remembered heads and the key. One lock for all, so that reading, storing and signing a
    head is atomic."""

    def __init__(self, signer: NoteSigner, logs: Sequence[VerifierKey], state: Path) -> None:
        if signer.vkey.algorithm != COSIGNATURE:
            raise Malformed("a witness signs with a key for cosignatures (audit_key --witness)")
        self._signer, self._logs, self._state = signer, tuple(logs), state
        self._lock = threading.Lock()
        state.mkdir(mode=0o700, parents=True, exist_ok=True)

    def memory(self, origin: str) -> HeadFile:
        """Return the file of one log's head; its name is a hash, as origins contain any text."""
        return HeadFile(self._state / f"{sha256(origin.encode()).hexdigest()[:32]}.note")

    def add(self, body: bytes) -> bytes:
        """Cosign. Raises the errors of `add_checkpoint`, and OSError when storing fails."""
        request = Request.parse(body)
        with self._lock, self.memory("lock").locked():
            lines = add_checkpoint(
                request,
                logs=self._logs,
                memory=self.memory,
                cosign=lambda text: [self._signer.cosign(text, int(time.time()))],
                verify=verify,
            )
        return "".join(f"{line}\n" for line in lines).encode()


class Handler(BaseHTTPRequestHandler):
    """Serve POST /add-checkpoint only."""

    timeout = READ_S
    witness: Witness
    server: Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != PATH:
            return self._answer(404, b"there is only /add-checkpoint\n")
        if not length.isdecimal() or len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            return self._answer(400, b"send a Content-Length of at most 65536\n")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            return self._answer(400, b"the body ended early\n")
        self.server.received(self.connection)
        try:
            lines = self.witness.add(body)
            self.server.cosigned(self.connection)
            return self._answer(200, lines)
        except Stale as error:
            return self._answer(409, f"{error.size}\n".encode(), "text/x.tlog.size")
        except TlogError as error:
            status = next((code for kind, code in STATUS if isinstance(error, kind)), 400)
            logger.warning("refused, %s", ascii(str(error)))
            return self._answer(status, f"{error.name}\n".encode())
        except OSError:
            logger.exception("the head cannot be kept")
            return self._answer(500, b"the head cannot be kept\n")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Log a client's text without control characters."""


@dataclass
class Client:
    """A connection: where from, since when, and whether its request has arrived as a whole."""

    address: str
    since: float
    received: bool = False
    evicted: bool = False


class Server(ThreadingHTTPServer):
    """A server with limits for the number of clients, clients per address and time per request.

    A new client always gets a place: the oldest unfinished request of its own address, or of the
    address with most of them, is cut off. So half-sent requests, which anybody can open, keep no
    log away; a log's own request arrives within milliseconds.

    `process_request` and `service_actions` run in the accepting thread.
    """

    daemon_threads = True
    request_queue_size = MAX_CLIENTS

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self._clients: dict[Any, Client] = {}
        # Addresses that got a cosignature, the newest last; theirs are cut off last.
        self._logs: dict[str, None] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        address = str(client_address[0])
        if not self._make_room(address):
            return self.shutdown_request(request)
        self._clients[request] = Client(address, time.monotonic())
        return super().process_request(request, client_address)

    def _make_room(self, address: str) -> bool:
        """Return whether there is a place for one more client of this address."""
        clients = list(self._clients.items())
        # Threads of clients that were cut off need a moment to end.
        if len(clients) >= 2 * MAX_CLIENTS:
            return False
        alive = [(request, client) for request, client in clients if not client.evicted]
        count = Counter(client.address for _, client in alive)
        own = count[address] >= PER_ADDRESS
        if not own and len(alive) < MAX_CLIENTS:
            return True
        logs = set(self._logs)
        unfinished = [
            (client.address in logs, -count[client.address], client.since, at)
            for at, (_, client) in enumerate(alive)
            if not client.received and (not own or client.address == address)
        ]
        if not unfinished:
            return False
        request, client = alive[min(unfinished)[-1]]
        client.evicted = True
        self._cut_off(request)
        return True

    def received(self, request: Any) -> None:
        """Note that a request arrived as a whole: it is not cut off for a new one."""
        if request in self._clients:
            self._clients[request].received = True

    def cosigned(self, request: Any) -> None:
        """Note that this client's address is a log's."""
        if (client := self._clients.get(request)) is None:
            return
        self._logs.pop(client.address, None)
        self._logs[client.address] = None
        for old in list(self._logs)[:-MAX_CLIENTS]:
            self._logs.pop(old, None)

    def shutdown_request(self, request: Any) -> None:
        self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        for request, client in list(self._clients.items()):
            if time.monotonic() - client.since > WHOLE_S:
                self._cut_off(request)

    @staticmethod
    def _cut_off(request: Any) -> None:
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a client that disconnected early in one line, without a traceback."""
        logger.warning("a request ended early: %s", ascii(repr(sys.exc_info()[1]))[:200])


def server(address: tuple[str, int], witness: Witness) -> Server:
    """Return a server that is bound but does not serve yet."""
    return Server(address, type("WitnessHandler", (Handler,), {"witness": witness}))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the process ends. Return 2 for an unusable file or argument."""
    parser = argparse.ArgumentParser(prog="manage.py audit_witness", description=__doc__)
    parser.add_argument("--listen", required=True, help="HOST:PORT")
    parser.add_argument("--key", required=True, help="the witness's private key file, 0400")
    parser.add_argument("--state", required=True, type=Path, help="directory of remembered heads")
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("--log", action="append", help="vkey of a log; may be repeated")
    known.add_argument("--policy", type=Path, help="a tlog-policy whose logs are known")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    host, _, port = arguments.listen.rpartition(":")
    try:
        logs = (
            Policy.parse(arguments.policy.read_text(encoding="utf-8")).logs
            if arguments.policy
            else tuple(VerifierKey.parse(vkey) for vkey in arguments.log)
        )
        signer = signing.load(f"file:{arguments.key}")
        made = server((host, int(port)), Witness(signer, logs, arguments.state))
    except (TlogError, OSError, ValueError) as error:
        sys.stderr.write(f"audit_witness: {error}\n")
        return 2
    logger.info("witness %s listens on %s", signer.vkey, arguments.listen)
    with made:
        made.serve_forever()
    return 0
