"""An OAuth provider that answers wrongly, as a server on the loopback address."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Send = Callable[[socket.socket], None]


def whole(
    body: bytes | dict[str, Any], status: str = "200 OK", *headers: str,
    media_type: str = "application/json",
) -> Send:  # fmt: skip
    """Return an answer that is sent at once."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(raw)}")
    head = "\r\n".join((*lines, "Connection: close", *headers)).encode() + b"\r\n\r\n"
    return lambda to: to.sendall(head + raw)


def drip(head: bytes, seconds: float = 60.0) -> Send:
    """Return an answer that goes on with one byte now and then."""

    def send(to: socket.socket) -> None:
        to.sendall(head)
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            to.sendall(b"x")
            time.sleep(0.2)

    return send


def nothing(to: socket.socket) -> None:
    """Close the connection after the call was read: the answer is lost."""


@dataclass
class Hostile:
    """What it answers to the next calls of a path; the last answer is repeated."""

    port: int
    answers: dict[str, list[Send]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(20)
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += connection.recv(65536)
            head, _, body = asked.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                0,
            )
            while len(body) < length:
                body += connection.recv(65536)
            path = head.split()[1].decode()
            self.calls.append(path)
            left = self.answers[path]
            (left.pop(0) if len(left) > 1 else left[0])(connection)


@contextmanager
def hostile(tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    """Run the server; with a context it speaks TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Hostile(listener.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(plain,), daemon=True).start()

        def serve(plain: socket.socket) -> None:
            try:
                secured = tls.wrap_socket(plain, server_side=True) if tls is not None else plain
            except OSError:
                plain.close()
                return
            made.answer(secured)

        threading.Thread(target=accept, daemon=True).start()
        yield made
