"""Ask every server of a certificate what it shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from remediation.executors.tls_handshake import Shown, handshake, refusal
from remediation.executors.tls_places import Address, Certificate

AT_ONCE = 8


@dataclass(frozen=True)
class Served:
    """What the servers show, by name, and why the others did not answer."""

    shown: Mapping[str, Shown]
    unseen: Mapping[str, str]

    def showing(self, serial: str) -> list[str]:
        """Return the servers that show this serial number, also in a resumed session."""
        return sorted(
            name for name, one in self.shown.items() if serial in (one.serial, one.resumed)
        )

    @property
    def words_unseen(self) -> list[str]:
        return [f"{name} ({why})" for name, why in sorted(self.unseen.items())]


@dataclass(frozen=True)
class Answers:
    """The servers that a client would refuse, and those that did not answer, each with the why."""

    refused: Sequence[str]
    unseen: Sequence[str]


def refused(entry: Certificate, trusted: str) -> Answers:
    """Ask each server of the map as a client that trusts exactly these certificates."""

    def one(at: Address) -> tuple[str, str]:
        try:
            return refusal(at, entry.hostname, trusted), ""
        except (OSError, ValueError) as error:
            return "", type(error).__name__

    names = sorted(entry.servers)
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(names))) as pool:
        found = list(
            zip(names, pool.map(lambda name: one(entry.servers[name]), names), strict=True)
        )
    return Answers(
        [f"{name} ({why})" for name, (why, _) in found if why],
        [f"{name} ({why})" for name, (_, why) in found if why],
    )


def ask(entry: Certificate, more: Mapping[str, Address] | None = None) -> Served:
    """Ask the servers of the map, and these."""
    servers = {**(more or {}), **entry.servers}
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(servers))) as pool:
        answers = list(pool.map(lambda at: _ask(at, entry), servers.values()))
    found = dict(zip(servers, answers, strict=True))
    return Served(
        {name: one for name, one in found.items() if isinstance(one, Shown)},
        {name: one for name, one in found.items() if isinstance(one, str)},
    )


def _ask(at: Address, entry: Certificate) -> Shown | str:
    try:
        return handshake(at, entry.hostname, entry.trust_file)
    except (OSError, ValueError) as error:
        return type(error).__name__


def joined(values: Iterable[str]) -> str:
    """Return the different values; one where all servers show the same."""
    return ", ".join(sorted(set(values)))
