"""Ports on the loopback address, kept from one start to the next where possible."""

from __future__ import annotations

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a connection of theirs that lingers in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on; another process may still take it before its use."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def kept_port(path: Path, wanted: int | None) -> int:
    """The wanted port, else the one used last time if it is free, else a free one."""
    if wanted is not None:
        return wanted
    if path.exists():
        last = int(path.read_text())
        if is_free(last):
            return last
    port = free_port()
    path.write_text(str(port))
    return port
