"""A PostgreSQL server that lies: it asks whoever signs in for the password itself."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

# PostgreSQL's protocol: requests for TLS and GSSAPI, and the question for the password in clear.
UPGRADES = (80877103, 80877104)
ASKS = b"R" + struct.pack("!ii", 8, 3)


@dataclass
class Liar:
    """Where it listens, and what it has heard."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as client:
                    client.settimeout(20)
                    self._ask(client)

    def _ask(self, client: socket.socket) -> None:
        first = client.recv(65536)
        while len(first) == 8 and struct.unpack("!ii", first)[1] in UPGRADES:
            client.sendall(b"N")
            first = client.recv(65536)
        client.sendall(ASKS)
        self.heard += [first, client.recv(65536)]


@contextmanager
def liar() -> Iterator[Liar]:
    """Run one until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Liar(listener.getsockname()[1])
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(30)
