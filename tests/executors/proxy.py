"""A TCP proxy for a real server that stops answering at a chosen moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Stall:
    """When the client sends `at`, answers stop; `deliver` says whether the server still gets it."""

    at: bytes
    deliver: bool


@contextmanager
def stalling(port: int, stall: Stall) -> Iterator[int]:
    """Forward connections to the port until the moment comes; yield the proxy's port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_accept, args=(listener, port, stall), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, port: int, stall: Stall) -> None:
    with suppress(OSError):  # the listener was closed at the end of the test
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            silent = threading.Event()
            for job in ((_send, client, server, stall, silent), (_answer, client, server, silent)):
                threading.Thread(target=job[0], args=job[1:], daemon=True).start()


def _send(
    client: socket.socket, server: socket.socket, stall: Stall, silent: threading.Event
) -> None:
    """Forward client to server until the moment comes; then wait until the client gives up."""
    with suppress(OSError), closing(server):
        while data := client.recv(65536):
            if stall.at in data:
                silent.set()
            if not silent.is_set() or stall.deliver:
                server.sendall(data)


def _answer(client: socket.socket, server: socket.socket, silent: threading.Event) -> None:
    with suppress(OSError), closing(client):
        while (data := server.recv(65536)) or silent.is_set():
            if not silent.is_set():
                client.sendall(data)
            elif not data:
                return
