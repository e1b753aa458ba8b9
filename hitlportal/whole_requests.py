"""A worker of gunicorn that gives a thread only to requests that have come whole (A75).

gunicorn's own threads read from the connection: four clients that send half a request hold four
threads for as long as they like. Here the loop of the worker collects each request without
waiting. A thread gets the bytes and never reads from the client again. So a half-sent request
costs a place in a table and some memory, both limited: the oldest goes when the table is full, the
largest when memory is.

waitress collects requests in the same way, but in one process, and nobody replaces it when it
stands still. gunicorn stays the server and the only parser: what is read here decides when a
thread begins, never what a request says.

Not covered: a client that reads its answer slowly holds a thread for `SEND_S` a piece. The proxy
in front must buffer answers; deploy/nginx does.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from concurrent import futures
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from hitlportal.http_framing import Framing

HEAD_S = 10.0  # from the connection, or the last answer, to the end of the header
WHOLE_S = 60.0  # to the end of the body
SEND_S = 30.0  # for one piece of an answer
CLOSING_S = 2.0  # for the client to close after its last answer (RFC 9112, 9.6)
LOOK_S = 0.5  # between two looks for connections whose time is over
MAX_UNFINISHED = 500  # connections without a whole request, a worker
MAX_BYTES = 64 * 1024 * 1024  # of unfinished requests and of those that wait for a thread
PIECE = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class GivenSocket(socket.socket):
    """A connection whose reading side ends with the bytes that the loop collected."""

    asked_for_more = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Return the end of input: a thread must not wait for a client."""
        self.asked_for_more = True
        return b""

    def collect(self) -> bytes:
        """Read what has come. Raises BlockingIOError when nothing has."""
        return super().recv(PIECE, socket.MSG_DONTWAIT)

    def setblocking(self, flag: bool, /) -> None:
        """Wait for a client that takes its answer, but not for ever."""
        self.settimeout(SEND_S if flag else 0.0)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send. Raises BrokenPipeError, which gunicorn logs in one line, when nobody reads."""
        try:
            super().sendall(data, flags)
        except TimeoutError as late:
            raise BrokenPipeError(errno.EPIPE, "the client takes no answer") from late


class Collecting(TConn):  # type: ignore[misc]  # gunicorn has no types
    """One connection and the part of its next request that has come."""

    def __init__(self, cfg: Any, sock: GivenSocket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.framing = Framing()
        self.began = time.monotonic()
        self.held = 0  # bytes that count against MAX_BYTES
        self.told_to_continue = False

    @property
    def is_over_time(self) -> bool:
        limit = WHOLE_S if self.framing.has_head else HEAD_S
        return time.monotonic() > self.began + limit

    def hand_over(self) -> None:
        """Give the parser one whole request; what came behind it stays."""
        self.data_ready = True
        self.init()
        self.parser.unreader.unread(self.framing.take())

    @property
    def is_in_step(self) -> bool:
        """Whether gunicorn ended the request where the framing did. Otherwise what follows could be
        a part of it, which must not be read as a request."""
        return not self.sock.asked_for_more and not self.parser.unreader.take_buffered()

    def begin_again(self) -> None:
        """Expect the next request, which may be there already."""
        self.framing.feed(b"")
        self.began = time.monotonic()
        self.told_to_continue = False


class WholeRequests(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads, behind a loop that collects whole requests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unfinished: dict[int, Collecting] = {}  # by id, the oldest first
        self.closing: dict[int, tuple[Collecting, float]] = {}
        self.held = 0
        self._next_look = 0.0

    def accept(self, listener: socket.socket) -> None:
        """Take a connection and begin to collect; make room for it if there is none."""
        try:
            plain, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self.unfinished:
                self._drop(self._oldest())
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR):
                raise
            return
        self.nr_conns += 1
        sock = GivenSocket(fileno=plain.detach())
        conn = Collecting(self.cfg, sock, client, listener.getsockname())
        while len(self.unfinished) >= MAX_UNFINISHED:
            self._drop(self._oldest())
        self._expect(conn)

    def finish_request(self, conn: Collecting, future: futures.Future[Any]) -> None:
        """Expect the next request of a connection, or close it. Runs in the loop."""
        self._count(conn, 0)
        failed = future.cancelled() or future.exception() is not None
        if failed or not future.result() or not conn.is_in_step or not self.alive:
            return self._close(conn)
        conn.begin_again()
        self._expect(conn)
        self._go_on(conn)

    def murder_pending(self) -> None:
        """Drop what is over time. A worker that stops drops connections that only stay open."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        for conn in list(self.unfinished.values()):
            if conn.is_over_time:
                self._drop(conn, TOO_SLOW)
            elif not self.alive and not conn.framing.size:
                self._drop(conn)
        for conn, until in list(self.closing.values()):
            if now > until:
                self._end(conn)

    def _oldest(self) -> Collecting:
        return next(iter(self.unfinished.values()))

    # -- collecting -------------------------------------------------------------------------------

    def _expect(self, conn: Collecting) -> None:
        conn.sock.setblocking(False)
        self.unfinished[id(conn)] = conn
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._collect, conn))

    def _collect(self, conn: Collecting, _: Any) -> None:
        """Read what has come of a request, and go on when it is whole."""
        if id(conn) not in self.unfinished:
            return  # dropped to make room, in the same turn of the loop
        try:
            piece = conn.sock.collect()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            return self._drop(conn)
        if not piece and not conn.framing.has_head:
            return self._drop(conn)
        # A client that closes its side amid the body is answered: the parser finds the end.
        conn.framing.feed(piece, is_last=not piece)
        self._go_on(conn)

    def _go_on(self, conn: Collecting) -> None:
        self._count(conn, conn.framing.size)
        if conn.framing.is_whole:
            self._forget(conn)
            conn.hand_over()
            self.enqueue_req(conn)
            return
        if conn.framing.wants_continue and not conn.told_to_continue:
            conn.told_to_continue = True
            with contextlib.suppress(OSError):
                conn.sock.send(CONTINUE)
        while self.held > MAX_BYTES and self.unfinished:
            self._drop(max(self.unfinished.values(), key=lambda other: other.held))

    def _count(self, conn: Collecting, held: int) -> None:
        self.held += held - conn.held
        conn.held = held

    def _forget(self, conn: Collecting) -> None:
        del self.unfinished[id(conn)]
        self.poller.unregister(conn.sock)

    # -- closing ----------------------------------------------------------------------------------

    def _drop(self, conn: Collecting, word: bytes = b"") -> None:
        """End a connection whose request has not come whole."""
        self._forget(conn)
        self._count(conn, 0)
        if word and conn.framing.size:
            with contextlib.suppress(OSError):
                conn.sock.send(word)
        self._finally(conn)

    def _close(self, conn: Collecting) -> None:
        """Send the end of the last answer; wait in the loop until the client has closed.

        gunicorn waits for it in the loop's own turn: two seconds in which it serves nobody.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):
            return self._finally(conn)
        self.closing[id(conn)] = conn, time.monotonic() + CLOSING_S

    def _drain(self, conn: Collecting, _: Any) -> None:
        if id(conn) not in self.closing:
            return
        with contextlib.suppress(BlockingIOError, InterruptedError):
            try:
                if conn.sock.collect():
                    return
            except ConnectionError:
                pass
            self._end(conn)

    def _end(self, conn: Collecting) -> None:
        del self.closing[id(conn)]
        self.poller.unregister(conn.sock)
        self._finally(conn)

    def _finally(self, conn: Collecting) -> None:
        self.nr_conns -= 1
        conn.close()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what needs reading in the thread. Raises ValueError."""
        if cfg.is_ssl or cfg.proxy_protocol != "off" or cfg.http2_cleartext != "off":
            raise ValueError("WholeRequests serves plain HTTP/1.1 behind a proxy")
