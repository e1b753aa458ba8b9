"""Tell people that an incident has no plan: at once, at its deadline, then daily. Never silent.

Once for each event, also after a crash: the notice and its tellings are one transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from audit import log
from remediation.domain.events import Event
from remediation.domain.plan_due import REASONS
from remediation.domain.policy import ROLES
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.models import IncidentNotice
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.outbox import audience
from remediation.services.outbox.tell import tell
from remediation.services.reporting import incidents, needs_plan
from remediation.services.reporting.needs_plan import Needing
from remediation.services.reporting.viewers import candidates

logger = logging.getLogger(__name__)

# An agent may send its plan in a second request; then nobody is alarmed for nothing.
GRACE = timedelta(seconds=30)
NEW, LATE = "plan:new", "plan:late"
DAILY = timedelta(days=1)


def escalate(*, actor: Actor) -> int:
    """Tell of every incident that needs a plan what is due now; return how many were told of."""
    now, told = database_now(), 0
    for one in needs_plan.all_needing():
        try:
            told += _escalate(one, now, actor)
        except DatabaseError as error:
            # One locked incident must not keep the others silent; the next call tries again.
            logger.error("nobody was told of incident %s: %s", one.incident_id, error)
    return told


def _escalate(one: Needing, now: datetime, actor: Actor) -> bool:
    if now < one.known + GRACE:
        return False
    told = _tell(one, NEW, Kind.NEEDS_A_PLAN, _reviewers(one), actor)
    if now >= one.due:
        day = (now - one.due) // DAILY
        told |= _tell(one, f"{LATE}:{day}", Kind.PLAN_OVERDUE, _leads(one), actor)
    return told


def _tell(one: Needing, notice: str, kind: Kind, people: set[UUID], actor: Actor) -> bool:
    """Record the notice and tell the people, unless that is done."""
    known = IncidentNotice.objects.filter(incident=one.incident_id, kind=notice, about=one.event)
    if known.exists():
        return False
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
        incidents.lock(one.incident_id)
        # Under the lock: another worker may have told meanwhile, or somebody may have acted.
        if known.exists() or one.incident_id not in needs_plan.of([one.incident_id]):
            return False
        entry = log.append(
            action=Event.WORKER_NOTICE_SENT,
            actor=actor.ref,
            object=f"incident:{one.incident_id}",
            data={"kind": notice, "about": one.event},
        )
        IncidentNotice.objects.create(
            incident_id=one.incident_id, kind=notice, about=one.event, entry=entry.id
        )
        tell(
            kind,
            people=people,
            once=f"{notice}:{one.incident_id}:{one.event}",
            text=_describe(one),
            incident=one.incident_id,
        )
    return True


def _describe(one: Needing) -> str:
    begin = "" if one.first else "All its proposals have ended, and it is still open. "
    return f"{begin}A plan is due by {one.due:%Y-%m-%d %H:%M} UTC. {REASONS[one.why]}"


def _reviewers(one: Needing) -> set[UUID]:
    """Return the approvers who see the incident, and who has it; the leads where none does."""
    mine = {one.assignee} if one.assignee else set()
    return (
        (audience.holders(*ROLES) & candidates(one.incident_id)) or audience.holders(LEAD)
    ) | mine


def _leads(one: Needing) -> set[UUID]:
    return audience.holders(LEAD) | ({one.assignee} if one.assignee else set())
