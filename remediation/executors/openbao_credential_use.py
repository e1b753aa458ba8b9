"""Sign in with a database credential that OpenBao gave, and tell who uses an old or a new one.

A session tells its database user, and each credential has a user of its own. The old ones are all
others of the same role of OpenBao, as their names show by the default `username_template`, and
those that were dropped: PostgreSQL keeps their sessions and forgets their names. So too many
sessions count as old ones rather than too few.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from remediation.domain.conditions import Sighting
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Question
from remediation.executors.credentials import for_observing
from remediation.executors.delivery import look_in_store
from remediation.executors.openbao_server import Database, observing, server
from remediation.executors.openbao_sessions import is_of_role, opened
from remediation.executors.postgres_consumers import Uses, sighting
from remediation.executors.postgres_password import Session
from remediation.executors.postgres_session import (
    CONNECT_SECONDS,
    ONLY_SCRAM,
    Connection,
    NotUsable,
    words,
)
from remediation.executors.secret import SecretValue
from remediation.executors.targets import Targets

SECONDS = 8.0
_REFUSED = "password authentication failed"
_SESSIONS = (
    "SELECT pid, coalesce(usename, '') AS name, coalesce(client_addr::text, '') AS address,"
    " application_name AS program, pid = pg_backend_pid() AS own,"
    " extract(epoch FROM clock_timestamp() - backend_start)::float8 AS age"
    " FROM pg_stat_activity WHERE usesysid IS NOT NULL ORDER BY backend_start, pid"
)


@dataclass(frozen=True)
class UserSessions:
    """The sessions of each database user, "" for dropped ones; `alive`: our own was seen, too."""

    by_user: Mapping[str, tuple[Session, ...]]
    alive: bool


def signs_in(database: Database, value: SecretValue, deadline: Deadline) -> bool | None:
    """Return whether the database takes the credential; None if it cannot be asked now."""
    user = value.reveal("username")
    if deadline.left < CONNECT_SECONDS:
        return None
    try:
        with psycopg.connect(
            make_conninfo(
                for_observing(database.observe_dsn), user=user, password=value.reveal("password")
            ),
            require_auth=ONLY_SCRAM,
            connect_timeout=CONNECT_SECONDS,
            application_name="hitlportal new credential",
            options="-c statement_timeout=4000",
            autocommit=True,
        ) as connection:
            row = connection.execute("SELECT session_user::text").fetchone()
    except psycopg.Error as error:
        return False if _REFUSED in str(error) else None
    return row is not None and row[0] == user


def user_sessions(database: Database, targets: Targets, deadline: Deadline) -> UserSessions:
    """Read who has which sessions, with the observer's login. Raises TargetUnobservable."""
    try:
        dsn = for_observing(database.observe_dsn)
        with opened(dsn, targets, deadline, read_only=True) as connection:
            return _read(connection)
    except NotUsable as error:
        raise TargetUnobservable(error.detail) from None
    except psycopg.Error as error:
        raise TargetUnobservable(words(error)) from None


def _read(connection: Connection) -> UserSessions:
    found: dict[str, list[Session]] = {}
    alive, now = False, datetime.now(UTC)
    for row in connection.execute(_SESSIONS.encode()):
        if row["age"] is None:
            raise NotUsable("the login needs pg_read_all_stats")
        if row["own"]:
            alive = True
            continue
        began = now - timedelta(seconds=row["age"])
        one = Session(row["pid"], row["address"], row["program"] or "", began)
        found.setdefault(row["name"], []).append(one)
    return UserSessions({name: tuple(each) for name, each in found.items()}, alive)


def look_for(question: Question, step: Step, targets: Targets) -> Sighting:
    """Return what sessions of the database show for a condition. Raises TargetUnobservable."""
    fields = step.target.fields
    at = server(targets, fields["server"])
    with observing(step.target.locator), at.observing() as api:
        role = api.get(f"{fields['mount']}/roles/{fields['role']}")
    name = f"{fields['mount']}/{role['db_name']}" if role else ""
    database = at.databases.get(name)
    if database is None:
        uses = Uses((), (), f"this worker has no login for database {name}", alive=False)
    else:
        seen = user_sessions(database, targets, Deadline.within(SECONDS))
        uses = _uses(seen, question.made.get("username", ""), fields["role"])
    fetched: datetime | None = None
    with suppress(TargetUnobservable):
        fetched = look_in_store(targets, step.target, step.parameters["store"]).fetched_at
    return sighting(uses, question, step, question.since, fetched_at=fetched, twin=True)


def _uses(seen: UserSessions, user: str, role: str) -> Uses:
    if not is_of_role(user, role):
        why = "the new user's name is not of OpenBao's default form: it shows no old users"
        return Uses((), (), why, alive=seen.alive)
    old = [
        one
        for name, sessions in seen.by_user.items()
        if name != user and (not name or is_of_role(name, role))
        for one in sessions
    ]
    return Uses(seen.by_user.get(user, ()), tuple(old), "", alive=seen.alive)
