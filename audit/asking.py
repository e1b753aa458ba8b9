"""Send one request to one witness (C2SP tlog-witness, add-checkpoint) in a separate thread."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from audit.tlog import cosignature
from audit.tlog.errors import TlogError
from audit.tlog.note import Note, SignatureLine
from audit.tlog.policy import Witness
from audit.tlog.witness import Request
from audit.verifying import verify

logger = logging.getLogger(__name__)

# The limit of one wait on the socket; `end` closes connections that send very slowly.
WAIT_S = 5.0
# A line has about 150 bytes, a post-quantum one 3,500.
MAX_ANSWER = 64 * 1024
# Log at most this many characters of another machine's text.
MAX_TOLD = 200
_STALE = 409
# A size has at most 19 digits, and a newline.
_MAX_SIZE = 20


@dataclass(frozen=True)
class Answer:
    """A line, the size that the witness holds, or neither."""

    witness: Witness
    size: int
    line: SignatureLine | None = None
    held: int | None = None
    # Seconds since the request started.
    took: float = 0.0


class Asked:
    """An open request; it always calls ``done`` exactly once, in its thread.

    The thread is a daemon, so a process can end without waiting for the witness. A hanging host
    name resolver cannot be interrupted.
    """

    def __init__(
        self, witness: Witness, request: Request, size: int, done: Callable[[Answer], None]
    ) -> None:
        self.since = time.monotonic()
        self._witness, self._request, self._size, self._done = witness, request, size, done
        self._lock, self._ended = threading.Lock(), False
        self._socket: socket.socket | None = None
        try:
            threading.Thread(target=self._run, name=f"witness {witness.name}", daemon=True).start()
        except RuntimeError as error:
            # No thread available: treated like an unavailable witness.
            logger.warning("witness %s is not asked: %s", witness.name, error)
            done(Answer(witness, size))

    def end(self) -> None:
        """Close the connection; `done` is called as for any failure."""
        with self._lock:
            self._ended = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        answer = Answer(self._witness, self._size)
        try:
            answer = self._post()
        except (OSError, ValueError, http.client.HTTPException, TlogError) as error:
            told = ascii(f"{type(error).__name__}: {error}")[:MAX_TOLD]
            logger.warning("witness %s: %s", self._witness.name, told)
        except Exception:
            logger.exception("witness %s: a fault of ours", self._witness.name)
        finally:
            self._done(replace(answer, took=time.monotonic() - self.since))

    def _post(self) -> Answer:
        """Send the request and return the answer; `_run` handles the errors.

        A redirect is not followed and counts as an answer without a line.
        """
        connection, path = _connection(self._witness.url)
        try:
            connection.connect()
            self._hold(connection.sock)
            connection.request("POST", path, self._request.dump())
            response = connection.getresponse()
            if response.status == _STALE:
                said = response.read(_MAX_SIZE).strip()
                if said.isdigit() and len(said) < _MAX_SIZE:
                    return Answer(self._witness, self._size, held=int(said))
            if response.status != 200:
                raise http.client.HTTPException(f"answers {response.status}")
            line = _line(self._witness, self._request.note, response.read(MAX_ANSWER))
            return Answer(self._witness, self._size, line=line)
        finally:
            connection.close()

    def _hold(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self._ended:
                raise TimeoutError("no connection in time")


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Connect to the policy's address without proxies or redirects. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no http address")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = parts.path.rstrip("/") + "/add-checkpoint"
    return kind(parts.hostname, parts.port, timeout=WAIT_S), path


def _line(witness: Witness, note: str, answer: bytes) -> SignatureLine:
    """Return the witness's own line from its answer. Raises TlogError or ValueError."""
    for text in answer.decode().splitlines():
        line = SignatureLine.parse(text)
        if (line.name, line.key_id) == (witness.key.name, witness.key.key_id):
            cosignature.check(Note.parse(note).text, line, witness.key, verify)
            return line
    raise ValueError("the answer holds no line of the witness's key")
