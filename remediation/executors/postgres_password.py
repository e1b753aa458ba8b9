"""What each server of a cluster holds as a role's password, without the password.

The fingerprint of the verifier in force is compared between servers. Whether a password that this
process knows is in force is asked as in postgres_live.py: only a hash with a challenge is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Deadline
from remediation.executors.postgres_cluster import PostgresServer, PostgresTarget
from remediation.executors.postgres_live import CHALLENGE, IN_FORCE, proof_of, salt_of
from remediation.executors.postgres_servers import standby_name
from remediation.executors.postgres_session import (
    Connection,
    NotUsable,
    session,
    system_identifier,
    words,
)

T = TypeVar("T")

# The version of hitl_ops that knows of passwords.
NEEDED = 5
SECONDS = 8.0
# Of the sessions of a server that are recorded by number.
MOST_PIDS = 20
# An answer that takes longer is slow.
SLOW = timedelta(seconds=1)

_STATE = "SELECT * FROM hitl_ops.password_state(%s::oid)"
_ORIGINS = "SELECT * FROM hitl_ops.session_origins(%s::oid)"
_VERSION = "SELECT hitl_ops.version() AS version"


@dataclass(frozen=True)
class Unseen:
    """A server that was not looked at, and why."""

    why: str


@dataclass(frozen=True)
class Session:
    """One session of a role; `began` is in this worker's time."""

    pid: int
    address: str
    program: str
    began: datetime


@dataclass(frozen=True)
class Password:
    """What one server holds: see hitl_ops.password_state. `set_at` is in this worker's time."""

    kind: str
    id: str
    version: str
    set_at: datetime | None
    first: str
    first_oid: int | None
    sessions: tuple[Session, ...]


def on_each(
    name: str,
    target: PostgresTarget,
    ask: Callable[[Connection], T],
    *,
    portal: int | None,
    seconds: float = SECONDS,
    needed: int = NEEDED,
) -> dict[str, T | Unseen]:
    """Ask the primary and each standby of the targets file, by the server's name for people.

    `needed` is the version of hitl_ops. Raises TargetUnobservable if the primary cannot be asked.
    """
    try:
        with session(
            target.observe(), portal=portal, deadline=Deadline.within(seconds), read_only=True
        ) as connection:
            refuse_older(connection, needed)
            identifier = system_identifier(connection)
            found: dict[str, T | Unseen] = {name: ask(connection)}
    except (psycopg.Error, NotUsable) as error:
        raise TargetUnobservable(f"server {name}: {words(error)}") from None
    if target.standbys:
        with ThreadPoolExecutor(len(target.standbys)) as pool:
            for each, answer in pool.map(
                lambda one: (one[0], _at_standby(one[1], ask, identifier, portal, seconds)),
                target.standbys.items(),
            ):
                found[standby_name(name, each)] = answer
    return found


def _at_standby(
    server: PostgresServer,
    ask: Callable[[Connection], T],
    identifier: int,
    portal: int | None,
    seconds: float,
) -> T | Unseen:
    try:
        with session(
            server.observe(),
            portal=portal,
            deadline=Deadline.within(seconds),
            read_only=True,
            standby=True,
        ) as connection:
            if system_identifier(connection) != identifier:
                return Unseen("this server belongs to another cluster")
            return ask(connection)
    except TargetUnobservable as error:
        return Unseen(error.detail)
    except (psycopg.Error, NotUsable) as error:
        return Unseen(words(error))


def refuse_older(connection: Connection, needed: int = NEEDED) -> None:
    """Raise NotUsable if the functions on the target are too old: without `needed`, if they know
    nothing of passwords."""
    row = connection.execute(_VERSION).fetchone()
    version = row["version"] if row else 1
    if version < needed:
        raise NotUsable(
            f"hitl_ops on this cluster has version {version}, this action needs {needed}: install"
            " hitl_ops.sql again"
        )


def read_password(connection: Connection, oid: int) -> Password:
    """Return what this server holds for a role, and the role's sessions there."""
    row = connection.execute(_STATE, [oid]).fetchone()
    assert row is not None
    return Password(
        row["kind"],
        row["id"] or "",
        row["version"] or "",
        None if row["age"] is None else _ago(row["age"]),
        row["first"] or "",
        None if row["first_oid"] is None else int(row["first_oid"]),
        read_sessions(connection, oid),
    )


def read_sessions(connection: Connection, oid: int) -> tuple[Session, ...]:
    """Return the sessions of a role on this server, the oldest first."""
    asked = datetime.now(UTC)
    rows = connection.execute(_ORIGINS, [oid]).fetchall()
    at = moment(asked)
    return tuple(
        Session(
            row["pid"],
            row["address"],
            row["application_name"] or "",
            at - timedelta(seconds=row["age"]),
        )
        for row in rows
    )


def moment(asked: datetime) -> datetime:
    """Return the time of an answer that just came, by this worker's clock.

    Nobody knows when a slow answer was made. From its end the ages would make an old session one
    that began after the change.
    """
    answered = datetime.now(UTC)
    return answered if answered - asked < SLOW else asked


def in_force(
    connection: Connection, role: str, oid: int, passwords: Sequence[str]
) -> tuple[bool, ...] | None:
    """Return which passwords this server takes for the role; None if it may not be told."""
    with connection.transaction():
        row = connection.execute(CHALLENGE, [role]).fetchone()
        assert row is not None
        if row["kind"] in ("unreadable", "other"):
            return None
        if row["kind"] == "none" or int(row["role"]) != oid:
            return (False,) * len(passwords)
        salt = salt_of(role, row)
        proofs = [proof_of(each, salt) for each in passwords]
        answer = connection.execute(IN_FORCE, [role, oid, proofs]).fetchone()
        assert answer is not None
        return tuple(answer["answers"])


def add_to_servers(
    servers: Sequence[Mapping[str, Any]],
    held: Mapping[str, Password | Unseen],
    before: datetime | None,
) -> list[Json]:
    """Return the servers of an observation with the fingerprint that each holds, and the sessions
    that began before a moment."""
    found: list[Json] = []
    for each in servers:
        one = held.get(each["server"])
        more: dict[str, Json] = {"password_id": None, "old_sessions": []}
        if isinstance(one, Password):
            old = [s.pid for s in one.sessions if before is not None and s.began < before]
            more = {"password_id": one.id, "old_sessions": list(old[:MOST_PIDS])}
        found.append({**each, **more})
    return found


def _ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)
