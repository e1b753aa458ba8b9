"""An IAM whose reads lag behind its writes: it stands before the simulator, and a test steers it.

The idea is that of a proxy in front of moto that repeats the last answer of ListAccessKeys for some
time after a change. This one has no clock: stale reads begin at a change, and end when a test says.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, str, bytes]
READ = "ListAccessKeys"
CHANGES = ("UpdateAccessKey", "CreateAccessKey", "DeleteAccessKey")


class Reads(StrEnum):
    """What a read shows while a change spreads."""

    STALE = "every read shows what was there before"
    ALTERNATE = "two front ends: one shows the change, the other does not"


@dataclass
class LaggingIam:
    """The state of one lagging IAM. `lost` drops the answer of a change after it was made."""

    upstream: str
    reads: Reads
    port: int = 0
    lost: bool = False
    # Whose last use stands still, and at which time: AWS's record of uses has stopped.
    stopped: tuple[str, str] | None = None
    calls: list[str] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    _fresh: dict[str, Answer] = field(default_factory=dict)
    _stale: dict[str, Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spread(self) -> None:
        """Let the change reach every part: reads are right from now on."""
        with self._lock:
            self._stale.clear()

    def answer(self, caller: tuple[str, int], headers: dict[str, str], body: bytes) -> Answer:
        """Return what this IAM says to one call."""
        form = parse_qs(body.decode())
        call, user = form.get("Action", [""])[0], form.get("UserName", [""])[0]
        with self._lock:
            self.calls.append(call)
            self.connections.add(caller)
            turn = self.calls.count(READ) % 2
            stale = self._stale.get(user) if call == READ else None
        if stale is not None and (self.reads is Reads.STALE or turn):
            return stale
        answer = self._ask(headers, body)
        if self.stopped is not None and self.stopped[0].encode() in body:
            status, kind, text = answer
            date = f"<LastUsedDate>{self.stopped[1]}</LastUsedDate>".encode()
            answer = status, kind, re.sub(rb"<LastUsedDate>.*?</LastUsedDate>", date, text)
        with self._lock:
            if call == READ and user not in self._stale:
                self._fresh[user] = answer
            if call in CHANGES and answer[0] == 200 and user in self._fresh:
                self._stale[user] = self._fresh[user]
        return answer

    def _ask(self, headers: dict[str, str], body: bytes) -> Answer:
        place = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read()
        finally:
            connection.close()


@contextmanager
def lagging(upstream: str, reads: Reads) -> Iterator[LaggingIam]:
    """Serve a lagging IAM before this simulator until the block ends."""
    iam = LaggingIam(upstream, reads)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # The caller's Host stays: it is part of what the caller signed.
            kept = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
            status, kind, answer = iam.answer(self.client_address, kept, body)
            if iam.lost and any(change.encode() in body for change in CHANGES):
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    iam.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield iam
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
