"""Find host names in the values of environment variables.

A value may contain a password, so this module returns only host names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Names of variables whose value can be a bare host name.
_HOST_KEYS = re.compile(
    r"(?:^|_)(?:HOST|HOSTNAME|ADDR|ADDRESS|ADDRESSES|URL|URI|ENDPOINT|SERVER|SERVERS|BROKER|BROKERS)$",
    re.IGNORECASE,
)
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_URL = re.compile(rf"[a-z][a-z0-9+.-]{{0,30}}://(?:[^@/\s,]{{0,300}}@)?({_HOST})(?![\w-])", re.I)
_PORT = re.compile(rf"(?<![\w./@-])({_HOST}):[0-9]{{2,5}}(?![\w.])")
_PAIR = re.compile(rf"(?:^|;)\s*(?:host|server|data source)\s*=\s*({_HOST})", re.I)
_BARE = re.compile(rf"{_HOST}")
_LONGEST = 4_000
_HERE = frozenset({"localhost"})


@dataclass(frozen=True)
class Address:
    """A host, and whether the value is certainly an address."""

    host: str
    certain: bool


def hosts(key: str, value: str) -> Iterator[Address]:
    """Yield the hosts that an environment variable names, without this machine and numbers."""
    value = value[:_LONGEST]
    certain = [*_URL.findall(value), *_PORT.findall(_URL.sub("", value)), *_PAIR.findall(value)]
    bare = [value] if _HOST_KEYS.search(key) and _BARE.fullmatch(value) else []
    for host in dict.fromkeys(certain):
        if _is_name(host):
            yield Address(host.lower(), True)
    for host in bare:
        if host not in certain and _is_name(host):
            yield Address(host.lower(), False)


def _is_name(host: str) -> bool:
    return host.lower() not in _HERE and re.search(r"[A-Za-z]", host) is not None


# Self-descriptions of OpenTelemetry programs that the product understands.
_RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"


def resource_attributes(key: str, value: str) -> dict[str, str]:
    """Return the pairs of OTEL_RESOURCE_ATTRIBUTES; none for any other variable."""
    if key != _RESOURCE:
        return {}
    pairs = (pair.partition("=") for pair in value.split(","))
    return {name.strip(): said.strip() for name, _, said in pairs if said.strip()}
