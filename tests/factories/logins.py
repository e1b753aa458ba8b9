"""Act as a process's login, append audit entries, age rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.db import connection, connections, models, transaction

from audit import log
from audit.tlog.canonical import encode
from remediation.domain.events import Event

WEB, WORKER, OPERATORS = "hitl_web", "hitl_worker", "hitl_operator"


WORKER_ACTOR = "worker:test"


OPERATOR = "operator:test@test"


# An action that each login which writes for this kind of actor may write.
OF_KIND = {
    "agent": Event.AGENT_REQUEST_REFUSED,
    "person": Event.PERSON_REQUEST_REFUSED,
    "operator": Event.OPERATOR_REQUEST_REFUSED,
    "worker": Event.WORKER_NOTICE_SENT,
}

_numbers = itertools.count(1)


def number() -> int:
    """Return a number that no other row of this process got."""
    return next(_numbers)


@contextmanager
def acting(login: str) -> Iterator[None]:
    """Open a transaction (or savepoint) in which the default connection has this login's rights."""
    with transaction.atomic(), connection.cursor() as cursor:
        # One round trip: a row's columns are computed from left to right.
        cursor.execute("SELECT current_user, set_config('role', %s, true)", [login])
        before = cursor.fetchone()[0]
        _logins().append(login)
        try:
            yield
        finally:
            _logins().pop()
        cursor.execute(f'SET LOCAL ROLE "{before}"')


@contextmanager
def joining(login: str) -> Iterator[None]:
    """As `acting`, but without a savepoint of its own inside `acting` of the same login.

    For factories that are called often: a third of their statements were for savepoints and roles.
    """
    if _logins()[-1:] == [login]:
        yield
    else:
        with acting(login):
            yield


def _logins() -> list[str]:
    """Return the logins of the blocks that are open in this thread, the innermost last."""
    here = connections["default"].__dict__
    return cast("list[str]", here.setdefault("acting_logins", []))


def as_owner() -> Any:
    """Act as hitl_owner, whichever login acts now."""
    return acting("hitl_owner")


def entry(action: str, actor: str, object: str, **data: Any) -> int:
    """Append one audit entry; return its id.

    The guard of entries refuses an action of another kind than its actor. Guards of facts do not
    read the action, so one of the actor's kind takes its place.
    """
    kind = actor.partition(":")[0]
    if action.partition(":")[0] != kind:
        action = OF_KIND.get(kind, action)
    return log.append(action=action, actor=actor, object=object, data=data).id


def login_of(actor: Any) -> str:
    """Return the login with which this actor changes accounts and rights."""
    return OPERATORS if str(actor.ref).startswith("operator:") else WEB


def actor_of(login: str) -> str:
    """Return an actor whose entries this login may write."""
    return {WEB: "person:test", WORKER: WORKER_ACTOR}[login]


def entry_body(action: str, actor: str, object: str = "", **data: Any) -> bytes:
    """Return the bytes that a writer sends for an entry, for tests that use SQL alone."""
    said = {"action": action, "actor": actor, "at": "", "data": data, "object": object, "v": 1}
    return encode(said)


def backdate(row: models.Model, field: str = "recorded_at", **delta: float) -> None:
    """Make a fact older: the field moves back by the timedelta. Only the owner can, and only with
    the guards of the table disabled."""
    with unguarded(row._meta.db_table):
        row.refresh_from_db()
        old = getattr(row, field)
        type(row)._base_manager.filter(pk=row.pk).update(**{field: old - timedelta(**delta)})
    row.refresh_from_db()


@contextmanager
def unguarded(table: str, *triggers: str) -> Iterator[None]:
    """Act as the owner with the table's guards (or the named ones) disabled; restore ALWAYS."""
    with as_owner(), connection.cursor() as cursor:
        names = list(triggers) or guards_of(table)
        # ALTER TABLE fails while deferred foreign keys wait to be checked.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} DISABLE TRIGGER "{name}"')
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} ENABLE ALWAYS TRIGGER "{name}"')
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def anybody_writes() -> Iterator[None]:
    """Act as the owner with the guard of entries disabled: for entries from before it, or of a
    database whose owner switched it off."""
    with unguarded("audit.entry", "writer"):
        yield


def guards_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


def soon() -> datetime:
    """Return the time a minute from now."""
    return datetime.now(UTC) + timedelta(minutes=1)
