"""Who uses the old and the new credential of a role, from the sessions of each server.

A session tells the role, the address, the program's own name and when it began; not the password.
So after a change of the password a session that began before it counts as one of the old, and for
two roles the role tells. A consumer with an old session still open has not moved, whatever else it
has open: its pool is a mix. Times are this worker's: each server says how long ago a session began.

A pooler hides consumers behind its own sessions; the inventory then names the pooler.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remediation.domain import instant
from remediation.domain.conditions import (
    MAX_DETAIL,
    MOST_CONSUMERS,
    Consumer,
    ConsumerSeen,
    Name,
    Sighting,
    Use,
)
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Step, format_name
from remediation.executors.base import Question
from remediation.executors.delivery import look_in_store
from remediation.executors.postgres_cluster import PostgresTarget, cluster
from remediation.executors.postgres_password import (
    Password,
    Session,
    Unseen,
    on_each,
    read_password,
    read_sessions,
)
from remediation.executors.postgres_session import Connection
from remediation.executors.targets import Targets

# Looks that are further apart than this do not cover the time between them.
GAP = timedelta(minutes=15)
# hitl_ops.session_origins returns no more, the oldest first.
MOST_SESSIONS = 500

_ALIVE = """
SELECT count(*) AS seen
  FROM hitl_ops.session_origins((SELECT oid FROM pg_roles WHERE rolname = session_user)) s
 WHERE s.pid = pg_backend_pid()
"""
_STANDBYS = "SELECT DISTINCT name FROM hitl_ops.replicas() WHERE NOT logical AND name IS NOT NULL"
_OID = "SELECT oid::bigint AS oid FROM pg_roles WHERE rolname = %s"


@dataclass(frozen=True)
class Found:
    """What one server showed: the role with the new credential, and who holds the old one."""

    password: Password | None
    first: tuple[Session, ...]
    standbys: tuple[str, ...]
    alive: bool


@dataclass(frozen=True)
class Uses:
    """The sessions of all servers by credential; `why`: what keeps the answer from being sure."""

    new: tuple[Session, ...]
    old: tuple[Session, ...]
    why: str
    alive: bool


def ask(connection: Connection, role: str, *, twin: bool) -> Found:
    """Read the sessions of a role, and of the one that it was made like."""
    row = connection.execute(_OID, [role]).fetchone()
    password = read_password(connection, int(row["oid"])) if row else None
    first: tuple[Session, ...] = ()
    if twin and password is not None and password.first_oid is not None:
        first = read_sessions(connection, password.first_oid)
    standbys = tuple(sorted(each["name"] for each in connection.execute(_STANDBYS).fetchall()))
    alive = connection.execute(_ALIVE).fetchone()
    return Found(password, first, standbys, bool(alive and alive["seen"]))


def uses_of(
    found: dict[str, Found | Unseen],
    target: PostgresTarget,
    question: Question,
    cut: datetime,
    *,
    twin: bool,
) -> Uses:
    """Sort the sessions of all servers; name each server that cannot be counted on."""
    new: list[Session] = []
    old: list[Session] = []
    why: list[str] = []
    wanted = question.made.get("password_id")
    for place, one in found.items():
        if isinstance(one, Unseen):
            why.append(f"server {place} was not looked at: {one.why}")
            continue
        why += [
            f"standby {name} is not in the targets file"
            for name in one.standbys
            if name not in target.standbys
        ]
        if one.password is None or (wanted and one.password.id != wanted):
            why.append(f"server {place} holds another password than the one that was set")
            continue
        sessions = one.password.sessions
        if max(len(sessions), len(one.first)) >= MOST_SESSIONS:
            # An intruder can open so many that those of a consumer are not among them.
            why.append(f"server {place} has more sessions of the role than are read")
        new += [each for each in sessions if twin or each.began >= cut]
        old += one.first if twin else [each for each in sessions if each.began < cut]
    alive = all(isinstance(one, Found) and one.alive for one in found.values())
    return Uses(tuple(new), tuple(old), "; ".join(dict.fromkeys(why))[:MAX_DETAIL], alive)


def sighting(
    uses: Uses,
    question: Question,
    step: Step,
    cut: datetime,
    *,
    fetched_at: datetime | None,
    twin: bool,
) -> Sighting:
    """Return what was seen, for `conditions.why_not_met` to judge."""
    at = datetime.now(UTC)
    seen = tuple(_seen(one, uses, question, cut, fetched_at) for one in question.consumers)
    why = uses.why
    if twin and question.condition == Name.OLD_QUIET and not why:
        short = [
            one.service
            for one, its in zip(question.consumers, seen, strict=True)
            if one.period_s and its.use is not Use.MOVED
        ]
        if short:
            why = (
                f"{', '.join(short)}: PostgreSQL keeps no record of sessions that ended between two"
                " looks, so a person has to say that it moved"
            )[:MAX_DETAIL]
    return Sighting(
        condition=question.condition,
        step=step.index,
        at=at,
        alive_at=at if uses.alive else None,
        covers_since=_covers_since(question, at) if twin else cut,
        resolution_s=int(GAP.total_seconds()) if twin else 1,
        delay_s=0,
        consumers=seen,
        old_used_at=at if uses.old else _used_before(question),
        others=_others(uses.old, question.consumers, step),
        why=why,
    )


def _used_before(question: Question) -> datetime | None:
    return question.previous.old_used_at if question.previous is not None else None


def _covers_since(question: Question, at: datetime) -> datetime:
    """Sessions are seen only while they are open: looks that follow each other cover the time."""
    last = question.previous
    if last is None or last.covers_since is None or last.alive_at is None or last.why:
        return at
    return last.covers_since if at - last.at <= GAP else at


def _seen(
    consumer: Consumer,
    uses: Uses,
    question: Question,
    cut: datetime,
    fetched_at: datetime | None,
) -> ConsumerSeen:
    last = _previous(question, consumer.service)
    new = [each for each in uses.new if is_of(each, consumer)]
    old = [each for each in uses.old if is_of(each, consumer)]
    last_new = max((each.began for each in new), default=None)
    if last_new is not None:
        # It began before the step was recorded as applied, and is open now: it was used then, too.
        last_new = max(last_new, question.since)
    elif last is not None:
        last_new = last.last_new
    last_old = max((each.began for each in old), default=last.last_old if last else None)
    use = Use.NOT_SEEN
    if last_new is not None and not old:
        use = Use.MOVED
    elif len(question.consumers) == 1 and fetched_at is not None and fetched_at >= cut:
        use = Use.FETCHED
    return ConsumerSeen(consumer.service, use, last_old, last_new, _detail(consumer, new, old))


def _previous(question: Question, service: str) -> ConsumerSeen | None:
    if len({one.seen_as for one in question.consumers if one.service == service}) > 1:
        return None  # known by several names, and a sighting does not say by which it was seen
    seen = question.previous.consumers if question.previous is not None else ()
    return next((each for each in seen if each.service == service), None)


def _detail(consumer: Consumer, new: Sequence[Session], old: Sequence[Session]) -> str:
    if not consumer.seen_as:
        return "the inventory does not say as what it is seen here"
    return f"open sessions: {len(old)} with the old one, {len(new)} with the new one"


def is_of(session: Session, consumer: Consumer) -> bool:
    """Return whether the inventory's word for a consumer means this session."""
    return bool(consumer.seen_as) and consumer.seen_as in (
        session.program,
        session.address,
        f"{session.program}@{session.address}",
    )


def _others(old: Sequence[Session], consumers: Sequence[Consumer], step: Step) -> tuple[str, ...]:
    """Return who uses the old one and is no consumer of the inventory; names are the clients'."""
    strange = {
        f"{format_name(each.program) if each.program else 'unnamed'} at"
        f" {each.address or 'a local socket'}"[:MAX_DETAIL]
        for each in old
        if not any(is_of(each, one) for one in consumers)
    }
    return tuple(sorted(strange)[:MOST_CONSUMERS])


def look_for(question: Question, step: Step, targets: Targets, *, twin: bool) -> Sighting:
    """Look for consumers at every server, and in the store."""
    name, role = step.target.fields["cluster"], step.target.fields["role"]
    target = cluster(targets, name)
    found = on_each(
        name,
        target,
        lambda connection: ask(connection, role, twin=twin),
        portal=targets.portal_system_identifier,
    )
    set_at = question.made.get("set_at")
    cut = instant.parse(set_at) if set_at else question.since
    fetched: datetime | None = None
    with suppress(TargetUnobservable):
        fetched = look_in_store(targets, step.target, step.parameters["store"]).fetched_at
    uses = uses_of(found, target, question, cut, twin=twin)
    return sighting(uses, question, step, cut, fetched_at=fetched, twin=twin)
