"""Freeze all execution or lift the freeze: the newest row of an insert-only table decides.

The guards read it before every step and the gate before every call. Writing it needs the worker's
login, which the web process does not have. It takes no lock: a process that held it could delay
the freeze.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from audit import log
from remediation.domain.errors import BadValue, WrongState
from remediation.domain.events import Event
from remediation.domain.inert import visible
from remediation.models import Freeze
from remediation.services.actors import Actor

MAX_REASON = 200


class Status(NamedTuple):
    """The newest row of the freeze."""

    frozen: bool
    reason: str = ""
    actor: str = ""
    since: datetime | None = None


def status() -> Status:
    """Return whether execution is frozen, why, by whom and since when; not frozen by default."""
    newest = Freeze.objects.order_by("-id").first()
    if newest is None:
        return Status(frozen=False)
    return Status(newest.frozen, newest.reason, newest.actor, newest.recorded_at)


def freeze(*, actor: Actor, reason: str) -> Freeze:
    """Freeze all execution; repeating it only adds another reason. Raises BadValue."""
    return _insert(actor, True, reason)


def lift(*, actor: Actor, reason: str) -> Freeze:
    """Lift the freeze. Raises BadValue, and WrongState when execution is not frozen."""
    return _insert(actor, False, reason)


@transaction.atomic
def _insert(actor: Actor, frozen: bool, reason: str) -> Freeze:
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON or visible(reason) != reason or "\n" in reason:
        raise BadValue(f"give a reason in one line, 1 to {MAX_REASON} characters")
    if not frozen and not status().frozen:
        raise WrongState("execution is not frozen")
    entry = log.append(
        action=Event.OPERATOR_FREEZE_SET if frozen else Event.OPERATOR_FREEZE_LIFTED,
        actor=actor.ref,
        object="execution",
        data={"frozen": frozen, "reason": reason},
    )
    return Freeze.objects.create(frozen=frozen, reason=reason, actor=actor.ref, entry=entry.id)
