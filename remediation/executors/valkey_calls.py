"""Calls to one node of Valkey: read a user of its list, change it, end its connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from redis import exceptions as wrong

from audit.tlog.canonical import Json
from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.valkey_server import ANSWER_SECONDS, CONNECT_SECONDS, Server

MOST_ADDRESSES = 50
MOST_RIGHTS = 1_500
MOST_TEXT = 100
# A node whose clock is further from the worker's says nothing about a time that people gave.
CLOCKS_SECONDS = 10


@dataclass(frozen=True)
class Account:
    """A user at one node. `hashes`: of its passwords, never shown; `rights`: as the list has them.

    `persisted`: where a change is kept over a restart; "" where it is not.
    """

    exists: bool
    status: str = "off"
    rights: str = ""
    hashes: frozenset[str] = field(default=frozenset(), repr=False)
    any_password: bool = False
    connections: int = 0
    addresses: tuple[str, ...] = ()
    idle_s: int | None = None
    persisted: str = ""


def read_node(at: Server, node: str, user: str) -> Account:
    """Return the user at a node. Raises TargetUnobservable."""
    with _observing(node), at.observing(node) as client:
        found = client.execute_command("ACL GETUSER", user)
        if found is None:
            return Account(False)
        held = found if isinstance(found, dict) else {}
        clients = [one for one in client.client_list() if one.get("user") == user]
        return Account(
            exists=True,
            status="on" if "on" in held.get("flags", ()) else "off",
            rights=_rights(held),
            hashes=frozenset(str(one) for one in held.get("passwords", ())),
            any_password="nopass" in held.get("flags", ()),
            connections=len(clients),
            addresses=tuple(sorted({_host(one) for one in clients})[:MOST_ADDRESSES]),
            idle_s=min((int(one["idle"]) for one in clients), default=None),
            persisted=_persisted(client),
        )


@dataclass(frozen=True)
class Client:
    """One open connection; `command` is the name of the last one, without arguments."""

    id: int
    address: str
    name: str
    age_s: int
    idle_s: int
    command: str

    def to_json(self) -> dict[str, Json]:
        return {
            "address": self.address[:MOST_TEXT],
            "name": self.name[:MOST_TEXT],
            "age_s": self.age_s,
            "idle_s": self.idle_s,
            "command": self.command[:MOST_TEXT],
        }


def read_clients(
    at: Server, node: str, user: str, before: datetime | None = None
) -> tuple[Client, ...]:
    """Return a user's connections at a node, the oldest first; with a moment, those that began
    before by the node's clock. Raises TargetUnobservable."""
    with _observing(node), at.observing(node) as client:
        return _clients(client, user, before)


def _clients(client: Any, user: str, before: datetime | None) -> tuple[Client, ...]:
    """Ask for the time first: a connection then seems older, by up to a second, never younger."""
    now = None if before is None else _clock(client)
    found = [_client(one) for one in client.client_list() if one.get("user") == user]
    if before is not None and now is not None:
        found = [one for one in found if now - timedelta(seconds=one.age_s) < before]
    return tuple(sorted(found, key=lambda one: (-one.age_s, one.id)))


def _client(row: Mapping[str, str]) -> Client:
    # `cmd` is a name, also of a subcommand; cut at a space, should a server add more.
    command = str(row.get("cmd", "")).partition(" ")[0]
    return Client(
        int(row["id"]), _host(row), str(row.get("name", "")), int(row["age"]), int(row["idle"]),
        command,
    )  # fmt: skip


def _clock(client: Any) -> datetime:
    """Return the node's time in whole seconds, as it counts ages."""
    return datetime.fromtimestamp(int(client.time()[0]), UTC)


def _rights(held: Mapping[str, Any]) -> str:
    """Return the rights as one text: commands, keys, channels, and flags but on and off.

    A text that is too long for a pin ends in its SHA-256, so that no change of it is overlooked.
    """
    # The client splits the list: what has an "@" (+@all) stands under categories.
    parts = [
        part
        for name in ("categories", "commands", "keys", "channels")
        for part in _many(held.get(name))
    ]
    flags = sorted(str(one) for one in held.get("flags", ()) if one not in ("on", "off"))
    selectors = [str(one) for one in held.get("selectors", ())]
    text = " ".join(part for part in (*parts, *flags, *selectors) if part)
    if len(text) <= MOST_RIGHTS:
        return text
    return f"{text[:MOST_RIGHTS]} … SHA-256 {sha256(text.encode()).hexdigest()}"


def _many(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value or "")]


def _host(client: Mapping[str, str]) -> str:
    return str(client.get("addr", "")).rpartition(":")[0]


def _persisted(client: Any) -> str:
    """Return the node's ACL file; "" if it has none. A change is written there by ACL SAVE."""
    return str(client.config_get("aclfile").get("aclfile", ""))


def change(
    at: Server, node: str, clearance: Clearance, user: str, status: str, deadline: Deadline
) -> bool:
    """Set a user on or off at a node, and keep that; return whether anything was changed.

    A node that does not have the user is left alone. A crash before ACL SAVE leaves a change that a
    restart of the node undoes; the next call saves. Raises NotApplied, PartlyApplied and
    OutcomeUnknown.
    """
    with _changing(node), at.operating(node, clearance) as client:
        _require_time(deadline)
        found = client.execute_command("ACL GETUSER", user)
        if found is None:
            return False
        changes = status not in found["flags"]
        if changes:
            client.execute_command("ACL SETUSER", user, status)
        try:
            if _persisted(client):
                client.execute_command("ACL SAVE")
        except wrong.RedisError as error:
            raise PartlyApplied(
                f"Valkey node {node}: the user is {status}, which is not kept over a restart:"
                f" {_words(error)}"
            ) from None
        return changes


def require_rights(
    at: Server,
    node: str,
    clearance: Clearance,
    commands: Iterable[tuple[str, ...]],
    deadline: Deadline,
) -> None:
    """Raise NotApplied unless the operator may run each command: nothing is done by halves."""
    with _changing(node), at.operating(node, clearance) as client:
        _require_time(deadline)
        client.execute_command("ACL GETUSER", at.operator.user)
        _persisted(client)
        for command in commands:
            said = client.execute_command("ACL DRYRUN", at.operator.user, *command)
            if said not in ("OK", b"OK", True):
                raise NotApplied(f"Valkey node {node}: the operator may not run {command[0]}")


def end_connections(
    at: Server, node: str, clearance: Clearance, user: str, deadline: Deadline
) -> int:
    """End a user's connections at a node; return how many. Raises NotApplied and OutcomeUnknown."""
    with _changing(node), at.operating(node, clearance) as client:
        _require_time(deadline)
        return int(client.execute_command("CLIENT KILL", "USER", user))


def end_at_each_node(
    at: Server, clearance: Clearance, user: str, deadline: Deadline, changed: Sequence[Json]
) -> int:
    """End the user's connections at each node; return how many.

    Raises PartlyApplied where something was changed before, NotApplied where nothing was.
    """
    ended = 0
    for node in at.nodes:
        try:
            ended += end_connections(at, node, clearance, user, deadline)
        except NotApplied as error:
            if changed or ended:
                raise PartlyApplied(f"connections are left at {node}: {error}") from error
            raise
    return ended


def end_old(
    at: Server, node: str, clearance: Clearance, user: str, before: datetime, deadline: Deadline
) -> int:
    """End a user's connections at a node that began before a moment; return how many.

    By their numbers, which a node never gives twice. Raises NotApplied if none was ended,
    PartlyApplied after the first one, and OutcomeUnknown.
    """
    ended = 0
    with _changing(node), at.operating(node, clearance) as client:
        _require_time(deadline)
        _refuse_clock(node, _clock(client), before)
        for one in _clients(client, user, before):
            if deadline.left < ANSWER_SECONDS:
                raise _left(ended, f"Valkey node {node}: no time is left for the others")
            try:
                # The user again: a connection may have signed in as another one meanwhile.
                ended += int(client.execute_command("CLIENT KILL", "ID", one.id, "USER", user))
            except (wrong.NoPermissionError, wrong.ResponseError) as error:
                raise _left(ended, f"Valkey node {node}: {_words(error)}") from None
        return ended


def _refuse_clock(node: str, now: datetime, before: datetime) -> None:
    """Refuse a moment that has not come, or a clock that differs from the worker's."""
    apart = abs((datetime.now(UTC) - now).total_seconds())
    if apart > CLOCKS_SECONDS:
        raise NotApplied(f"Valkey node {node}: its clock differs by {apart:.0f} seconds")
    if before > now + timedelta(seconds=1):
        raise NotApplied(f"Valkey node {node}: the given time has not come yet")


def _left(ended: int, why: str) -> NotApplied | PartlyApplied:
    return PartlyApplied(f"{ended} ended; {why}") if ended else NotApplied(why)


def _require_time(deadline: Deadline) -> None:
    if deadline.left < CONNECT_SECONDS + ANSWER_SECONDS:
        raise NotApplied("no time is left for the call")


@contextmanager
def _observing(node: str) -> Iterator[None]:
    """Turn every error of reading calls into TargetUnobservable."""
    try:
        yield
    except wrong.RedisError as error:
        raise TargetUnobservable(f"Valkey node {node}: {_words(error)}") from None


@contextmanager
def _changing(node: str) -> Iterator[None]:
    """Turn errors of changing calls into NotApplied or OutcomeUnknown."""
    try:
        yield
    except Refused:
        raise
    except (wrong.AuthenticationError, wrong.NoPermissionError, wrong.ResponseError) as error:
        raise NotApplied(f"Valkey node {node}: {_words(error)}") from None
    except (wrong.ConnectionError, wrong.TimeoutError) as error:
        raise _lost(error)(f"Valkey node {node}: {_words(error)}") from None
    except wrong.RedisError as error:
        raise OutcomeUnknown(f"Valkey node {node}: {_words(error)}") from None


def _lost(error: wrong.RedisError) -> type[NotApplied] | type[OutcomeUnknown]:
    """A connection that could not be opened sent nothing."""
    refused = isinstance(error.__cause__ or error.__context__, ConnectionRefusedError)
    return NotApplied if refused else OutcomeUnknown


def _words(error: wrong.RedisError) -> str:
    """Return what failed, without the server's text: it may quote what was sent."""
    return type(error).__name__
