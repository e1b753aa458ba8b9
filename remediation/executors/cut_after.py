"""End a call over HTTP after a time, however slowly the server answers.

A timeout of requests is one for each read: a server that sends a byte now and then has no end, and
would hold a worker and the lease of its target.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any


class Cuts:
    """The connections of a session of requests, and how to end them. Close it with the session."""

    def __init__(self, session: Any) -> None:
        self._held: list[socket.socket] = []
        self._over = threading.Event()
        adapter = _adapter(self._note)
        session.mount("https://", adapter)
        session.mount("http://", adapter)

    def _note(self, made: socket.socket) -> socket.socket:
        """Note a connection. One that is made when the time is over is ended at once."""
        self._held.append(socket.socket(fileno=os.dup(made.fileno())))
        if self._over.is_set():
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
        return made

    @contextmanager
    def after(self, seconds: float) -> Iterator[threading.Event]:
        """End the connections after this time; the event says whether that was done."""
        over = self._over = threading.Event()

        def cut() -> None:
            over.set()
            for one in [*self._held]:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield over
        finally:
            timer.cancel()

    def forget_old(self) -> None:
        """Let go of all connections but the last, for a session that makes one call at a time."""
        while len(self._held) > 1:
            self._held.pop(0).close()

    def close(self) -> None:
        for one in self._held:
            one.close()


@contextmanager
def cut_after(session: Any, seconds: float) -> Iterator[threading.Event]:
    """End a session that makes one call, after this time."""
    with closing(Cuts(session)) as cuts, cuts.after(seconds) as over:
        yield over


def _adapter(noted: Callable[[socket.socket], socket.socket]) -> Any:
    """Return an adapter that tries once, and notes a second handle of each connection."""
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return noted(super()._new_conn())

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return noted(super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return adapter
