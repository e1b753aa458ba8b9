"""What was seen of each server of a cluster, and which servers were not looked at. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.tlog.canonical import Json
from remediation.executors.postgres_cluster import PostgresTarget


@dataclass(frozen=True)
class Server:
    """One server as it was seen; `login` None: it was not looked at, and `why` says why."""

    name: str
    login: bool | None = None
    sessions: tuple[tuple[int, str], ...] = ()
    more: int = 0
    why: str = ""
    # False for a standby that the targets file does not name: nothing there is waited for.
    named: bool = True
    # What it sends its changes to, by name; True for a subscriber of logical replication.
    replicas: tuple[tuple[str, bool], ...] = field(default=(), compare=False)
    # When the server was started, to the microsecond: two entries of one server have the same.
    started: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Json]:
        return {
            "server": self.name,
            "login": self.login,
            "sessions": [{"pid": pid, "since": since} for pid, since in self.sessions],
            "more": self.more,
            "why": self.why,
            "named": self.named,
        }

    @classmethod
    def from_json(cls, value: Any) -> Server:
        return cls(
            value["server"],
            value["login"],
            tuple((each["pid"], each["since"]) for each in value["sessions"]),
            value["more"],
            value["why"],
            value["named"],
        )

    @property
    def place(self) -> str:
        return f"server {self.name}"

    def open_for(self, role: str) -> Iterator[str]:
        """Yield what is still open here, in words."""
        for pid, since in self.sessions:
            if not since:
                yield f"server {self.name}: pid {pid}, a login that has begun; its role is not seen"
                continue
            yield f"server {self.name}: session of {role}, pid {pid}, open since {since}"
        if self.more:
            yield f"server {self.name}: {self.more} more sessions of {role}"
        if self.login is None and self.named:
            yield f"server {self.name}: not looked at: {self.why}"


def standby_name(cluster: str, standby: str) -> str:
    return f"{cluster}, standby {standby}"


def left_since(
    name: str, former: Iterable[Mapping[str, Any]], oid: int, servers: Iterable[Server]
) -> Iterator[Server]:
    """Yield standbys that were connected when the role was turned off, and are not any more."""
    there = {n for each in servers for n, _ in each.replicas} | {each.name for each in servers}
    for each in former:
        for standby in each["standbys"] if each["role"] == oid else ():
            if standby not in there and standby_name(name, standby) not in there:
                yield Server(
                    standby_name(name, standby),
                    why="it was connected when the role was turned off, and is not any more",
                    named=False,
                )


def each_once(standbys: Iterable[Server]) -> Iterator[Server]:
    """Yield the standbys; an entry that leads to the server of another entry was not looked at."""
    seen: dict[str, str] = {}
    for each in standbys:
        first = seen.setdefault(each.started, each.name) if each.started else each.name
        same = f"its DSN leads to the same server as that of {first}"
        yield each if first == each.name else Server(each.name, why=same)


def not_named(name: str, target: PostgresTarget, servers: Iterable[Server]) -> list[Server]:
    """Return the standbys that some server shows and the targets file does not name.

    Two standbys may have one name; then the file can name one of them only.
    """
    shown = Counter(n for each in servers for n, logical in each.replicas if not logical)
    shown.subtract(dict.fromkeys(target.standbys, 1))
    return [
        Server(
            standby_name(name, each) + (f" ({count} of this name)" if count > 1 else ""),
            why="the targets file does not name it",
            named=False,
        )
        for each, count in sorted(shown.items())
        if count > 0
    ]
