"""Rogue witnesses: what a foreign machine may send instead of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

Behaviour = Callable[[socket.socket, threading.Event], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


class Rogue:
    """Serve connections with the given function until the block ends."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.over = threading.Event()
        self.asked = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Rogue:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            self.asked += 1
            threading.Thread(target=self._answer, args=(accepted,), daemon=True).start()

    def _answer(self, accepted: socket.socket) -> None:
        with accepted:
            try:
                accepted.recv(65536)
                self._behaviour(accepted, self.over)
            except OSError:
                return  # the other side closed the connection


def says(answer: bytes) -> Behaviour:
    return lambda to, _: to.sendall(answer)


def hangs(to: socket.socket, over: threading.Event) -> None:
    over.wait()


def drips(beginning: bytes) -> Behaviour:
    """Send a byte now and then for ever: no single wait is long."""

    def drip(to: socket.socket, over: threading.Event) -> None:
        to.sendall(beginning)
        while not over.wait(0.05):
            to.sendall(b"a")

    return drip


def pours(beginning: bytes, octets: int) -> Behaviour:
    def pour(to: socket.socket, over: threading.Event) -> None:
        to.sendall(beginning)
        for _ in range(octets // 65536 + 1):
            to.sendall(b"a" * 65536)

    return pour
