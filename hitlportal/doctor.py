"""Find out what is wrong with an installation, and say what to do (`hitlportal doctor`).

Runs as the worker, which needs and may read most. Asks each server, then the rows: what waits, and
for whom. It changes nothing. What cannot be asked is a finding, never an exception.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from audit import inclusion
from audit.tlog.errors import TlogError
from audit.tlog.policy import Policy
from hitlportal import probes, process_checks, target_checks
from remediation.domain.errors import PolicyUnavailable
from remediation.domain.policy import ROLES
from remediation.services import host_files
from remediation.services.clock import database_now
from remediation.services.execution import freeze
from remediation.services.outbox import dispatch, pause

logger = logging.getLogger(__name__)

# The gate refuses beyond this (`clock_skew`).
SKEW_S = 2.0
# The sequencer signs within a quarter of a second, the sweeper looks every two seconds.
UNSIGNED_S, WAITING_S = 15.0, 60.0
# So many newest entries are looked at.
NEWEST = 200
NAMED = 5


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what to do, each in one line."""

    wrong: str
    to_do: str


def examine() -> Iterator[Finding]:
    """Return everything that is wrong, the causes before what follows from them."""
    if problem := probes.database_problem():
        yield Finding(problem, "Start PostgreSQL, or repair HITL_DATABASE_URL. All else waits.")
    for message in (*process_checks.check_process(), *target_checks.check_targets()):
        yield Finding(message.msg, message.hint or "")
    if problem:
        return  # the rest would say the same ten times
    for look in LOOKS:
        try:
            yield from look()
        except DatabaseError as error:
            said = " ".join(str(error).split())
            yield Finding(
                f"{look.__name__} could not be asked: {said}",
                "Run `hitlportal check --deploy`: migrations or grants may be missing.",
            )


def clock() -> Iterator[Finding]:
    """Compare this machine's clock with the database's."""
    apart = abs(time.time() - database_now().timestamp())
    if apart > SKEW_S:
        yield Finding(
            f"the clocks of this host and of the database are {apart:.0f} s apart (clock_skew)",
            "Repair time synchronisation on both hosts. Until then nothing is executed.",
        )


def frozen() -> Iterator[Finding]:
    """Report a freeze."""
    if (status := freeze.status()).frozen:
        yield Finding(
            f"execution is frozen since {status.since} by {status.actor}",
            "`hitlportal freeze off REASON` lets it go on.",
        )


def sequencer() -> Iterator[Finding]:
    """Look whether what was written is signed, and whether the policy accepts its head."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, e.body, l.idx IS NOT NULL FROM audit.entry e"
            " LEFT JOIN audit.leaf l ON l.entry_id = e.id ORDER BY e.id DESC LIMIT %s",
            [NEWEST],
        )
        rows = cursor.fetchall()
    now = database_now()
    old = [row for row in rows if (now - _written(bytes(row[1]))).total_seconds() > UNSIGNED_S]
    unsigned = [row for row in old if not row[2]]
    if unsigned:
        age = (now - _written(bytes(unsigned[-1][1]))).total_seconds()
        yield Finding(
            f"the log's head is old: {len(unsigned)} entries are not signed, one since {age:.0f} s",
            "Start hitlportal-sequencer and read its log. Until then nothing is executed"
            " (audit_unavailable).",
        )
    elif old and not process_checks.policy_problem() and settings.AUDIT_POLICY_FILE:
        yield from _accepted(old[0][0])


def _accepted(entry: int) -> Iterator[Finding]:
    try:
        policy = Policy.parse(Path(settings.AUDIT_POLICY_FILE).read_text(encoding="utf-8"))
        inclusion.prove([entry], policy=policy, seen=None)
    except (OSError, TlogError) as error:
        yield Finding(
            f"the audit policy accepts no head that covers the newest entries: {error}",
            "Do the witnesses answer the sequencer? Do its key and the policy file fit?",
        )


def _written(body: bytes) -> datetime:
    """Return when an entry says that it was written; now, if it says nothing usable."""
    try:
        return datetime.fromisoformat(json.loads(body)["at"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError):
        return datetime.now(UTC)


def beat() -> Iterator[Finding]:
    """Look whether the sweeper worked lately; its mark lasts as long as it may be silent."""
    if not process_checks.cache_problem() and not pause.was_swept():
        yield Finding(
            f"nothing was swept for {pause.SWEPT_S} s: nothing is sent again, expires, is settled",
            "Is hitlportal-beat running, and exactly one? And hitlportal-sweeper? `hitlportal"
            " health beat`, `hitlportal health sweeper`.",
        )


def outbox() -> Iterator[Finding]:
    """Report work that waits for a worker, the oldest of each kind."""
    waiting: dict[str, list[dispatch.Due]] = {}
    for due in dispatch.due():
        if due.age > WAITING_S:
            waiting.setdefault(due.kind, []).append(due)
    for kind, found in waiting.items():
        oldest = max(found, key=lambda due: due.age)
        if kind == "execute":
            yield _idle(oldest, len(found))
            continue
        yield Finding(
            f"{len(found)} x {kind} waits, the oldest since {oldest.age:.0f} s"
            f" (proposal {oldest.proposal_id})",
            "Is hitlportal-worker running? `hitlportal health worker`, and its log.",
        )


def _idle(oldest: dispatch.Due, count: int) -> Finding:
    """Say why what is approved does not run: the gate's newest reason, if it gave any."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reason FROM public.remediation_refusal WHERE proposal_id = %s"
            " ORDER BY id DESC LIMIT 1",
            [oldest.proposal_id],
        )
        row = cursor.fetchone()
    reason = f"the gate says {row[0]}" if row else "the gate was not asked"
    return Finding(
        f"{count} approved and idle, the oldest since {oldest.age:.0f} s (proposal"
        f" {oldest.proposal_id}): {reason}",
        "docs/operate/alerts.md says what to do about each reason."
        if row
        else "Is hitlportal-worker running, with the queue `execute`? `hitlportal health worker`.",
    )


def rights() -> Iterator[Finding]:
    """Look whether somebody can administer, decide, and decide on each service."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT role, person FROM remediation.entitlement WHERE active")
        held = {(role, str(person)) for role, person in cursor.fetchall()}
    if not any(role == "user_admin" for role, _ in held):
        yield Finding(
            "nobody can administer people: no active account is in user_admin",
            "`hitlportal person add NAME --group user_admin`, as operator.",
        )
    try:
        approvers = host_files.approvers().entries
    except PolicyUnavailable:
        return  # said already
    now = database_now()
    keyed = {
        (role, str(one.person))
        for one in approvers
        if one.valid(now)
        for role in ROLES
        if one.may_fill(role)
    } & held
    for role in sorted(set(ROLES) - {role for role, _ in keyed}):
        yield Finding(
            f"nobody can decide as {role}: no active account of that group has a key in the"
            " approvers file",
            f"`hitlportal approver add NAME --role {role} --key FINGERPRINT`, as worker.",
        )
    yield from _services(sorted({person for _, person in keyed}))


def _services(deciders: list[str]) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.name FROM public.remediation_service s WHERE NOT EXISTS ("
            "SELECT 1 FROM remediation.service_right r WHERE r.service_id = s.id"
            " AND r.codename = 'review_service' AND r.person::text = ANY(%s)) ORDER BY s.name",
            [deciders],
        )
        names = [row[0] for row in cursor.fetchall()]
    if names:
        more = " …" if len(names) > NAMED else ""
        yield Finding(
            f"nobody can decide on {len(names)} services: {', '.join(names[:NAMED])}{more}",
            "`hitlportal rights import`, as operator.",
        )


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    clock,
    frozen,
    sequencer,
    beat,
    outbox,
    rights,
)
