"""Choose ports on the loopback address; reuse those of the last start where possible."""

from __future__ import annotations

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket() as probe:
        # As servers do: old connections in TIME_WAIT do not prevent listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a free port; another process may still take it before its use."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def kept_port(path: Path, wanted: int | None) -> int:
    """Return the wanted port, else the last one if it is free, else a free one."""
    if wanted is not None:
        return wanted
    if path.exists():
        last = int(path.read_text())
        if is_free(last):
            return last
    port = free_port()
    path.write_text(str(port))
    return port
