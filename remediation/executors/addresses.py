"""Addresses of the targets file: which host they mean, and whether two names lead to one server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from remediation.executors.section import TargetsFileInvalid

Address = str | tuple[str, int]
_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Return whether a host of an address is this machine by its form; no name is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_second_names(provider: str, addresses: Mapping[str, Iterable[Address]]) -> None:
    """Refuse two names of one server. Raises TargetsFileInvalid.

    A lease is held by name, and a name has its environment: by a second one, two runs would work
    on one target at once, or a plan would be judged by the milder environment. In: by name, the
    addresses, as `scheme://host:port`, `host:port` or both parts.

    Limit: two host names of one machine are not found, for no name is looked up here.
    """
    held: dict[tuple[str, int | None], str] = {}
    for name, given in addresses.items():
        for address in given:
            first = held.setdefault(_place(address), name)
            if first != name:
                raise TargetsFileInvalid(
                    f"{provider}: {first} and {name} lead to the same server: keep one"
                )


def _place(address: Address) -> tuple[str, int | None]:
    """Return host and port as they are compared: in small letters, this machine as one host."""
    if isinstance(address, tuple):
        name, number = address
        address = f"[{name}]:{number}" if ":" in name else f"{name}:{number}"
    parts = urlsplit(address if "//" in address else f"//{address}")
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _PORTS.get(parts.scheme)
    return ("localhost" if is_loopback(host) else _numeric(host)), port


def _numeric(host: str) -> str:
    """Return an IP address in its one form: IPv6 has many."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host
