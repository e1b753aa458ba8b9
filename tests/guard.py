"""Fail every look-up of and connection to another machine.

Covers Python's sockets, which all our clients but libpq use; libpq gets its addresses from
tests/servers.py alone.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest


class OutsideConnection(Exception):
    """A test tried to reach another machine."""


def is_inside(family: int, address: object) -> bool:
    """Return whether the address (as `socket.connect` takes it) is on this machine."""
    if family == socket.AF_UNIX:
        return True
    host = address[0] if isinstance(address, tuple) and address else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def guard_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every call that would leave the machine raise."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        # None and "" mean this machine; a bind address such as 0.0.0.0 is looked up, not reached.
        named = host.decode() if isinstance(host, bytes) else host
        if named and not (_is_address(named) or named == "localhost"):
            raise OutsideConnection(f"tests may not look up {named!r}")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if not is_inside(self.family, address):
            raise OutsideConnection(f"tests may not connect to {address!r}")
        return connect(self, address)

    return guarded


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
