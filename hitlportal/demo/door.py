"""The web's port: chosen and bound at once, held until the demo ends, and handed to the web.

The supervisor listens itself and keeps its copy of each socket, so no other program can listen on
these addresses, also before the web process starts and after it ended. Connections that come
before the web serves wait in the queue of the socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from hitlportal import env
from hitlportal.demo.servers.errors import ServerError, ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK

DEFAULT_PORT = 8000
# What "localhost" means. Browsers and agents may try the second one first, so that a stranger
# there would get their tokens.
ADDRESSES = ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1"))
# This machine has no IPv6, or none on loopback: nobody else can listen there either.
ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
BACKLOG = 128
TRIES = 20
LAST_PORT = 65535


class NotOurs(ServerError):
    """Another process than the demo's web may answer at its address."""


class Door:
    """Listening sockets of one port on each loopback address."""

    def __init__(self, port: int) -> None:
        """Listen; 0 chooses a free port. Raises OSError when one of the addresses is taken."""
        self._sockets: list[socket.socket] = []
        try:
            for family, address in ADDRESSES:
                self._listen(family, address, self.port or port)
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """The port; 0 when the door is closed."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else 0

    @property
    def descriptors(self) -> tuple[int, ...]:
        return tuple(one.fileno() for one in self._sockets)

    @property
    def binds(self) -> tuple[str, ...]:
        """The arguments of gunicorn that take the sockets over."""
        return tuple(part for fd in self.descriptors for part in ("--bind", f"fd://{fd}"))

    def prove(self, pid: int) -> None:
        """Return when only this process can answer at http://localhost. Raises NotOurs."""
        ours = {f"socket:[{os.fstat(fd).st_ino}]" for fd in self.descriptors}
        if not ours or not ours <= _open_files(pid):
            raise NotOurs(f"process {pid} does not listen on port {self.port}")
        held = {one.getsockname()[0] for one in self._sockets}
        for address in _localhost() - held:
            # Not bound by us: somebody may listen there, and would get what is for the web.
            with contextlib.suppress(OSError):
                socket.create_connection((address, self.port), timeout=5).close()
                raise NotOurs(f"another process listens on {address}, which localhost also means")

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets.clear()

    def _listen(self, family: socket.AddressFamily, address: str, port: int) -> None:
        try:
            made = socket.socket(family, socket.SOCK_STREAM)
        except OSError as problem:
            if problem.errno in ABSENT and self._sockets:
                return
            raise
        try:
            # Old connections in TIME_WAIT do not prevent listening.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address, port))
            # At once: a socket that is bound and does not listen does not keep others away.
            made.listen(BACKLOG)
        except OSError as problem:
            made.close()
            if problem.errno in ABSENT and self._sockets:
                return
            raise
        self._sockets.append(made)


def opened(path: Path) -> Door:
    """Listen on HITL_DEMO_PORT, else on the last port, else on 8000 or a free one.

    The port is kept because approvers' passkeys are bound to the origin, which includes it.
    Raises ServerFailed when the port is taken, or is none.
    """
    wanted = env.text("HITL_DEMO_PORT") or (
        path.read_text(encoding="ascii") if path.exists() else ""
    )
    door = _wanted(wanted.strip()) if wanted else _default()
    path.write_text(str(door.port), encoding="ascii")
    return door


def _wanted(text: str) -> Door:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAST_PORT):
        raise ServerFailed(f"{text!r} is no port; HITL_DEMO_PORT is a number from 1 to {LAST_PORT}")
    try:
        return Door(int(text))
    except OSError as problem:
        why = "is taken" if problem.errno == errno.EADDRINUSE else f"cannot be used: {problem}"
        raise ServerFailed(
            f"port {text} {why}. The demo's passkeys are for http://localhost:{text}; free it,"
            f" or set HITL_DEMO_PORT, or start anew with another HITL_DEMO_DIR"
        ) from None


def _default() -> Door:
    # A port that is free on one address may be taken on the other.
    for port in (DEFAULT_PORT, *(0 for _ in range(TRIES))):
        with contextlib.suppress(OSError):
            return Door(port)
    raise ServerFailed("no port is free on both loopback addresses; set HITL_DEMO_PORT")


def _localhost() -> set[str]:
    found = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    return {str(entry[4][0]) for entry in found}


def _open_files(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # the process ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(str(link.readlink()))
    return found
