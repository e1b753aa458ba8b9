"""Have people told that an incident is open again, or that its identity cannot be read.

The notice is a fact of the same transaction: once for each move and each look.
"""

from __future__ import annotations

from audit import log
from remediation.domain import inert
from remediation.domain.events import Event
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.models import Incident, IncidentLook, IncidentNotice, IncidentTransition
from remediation.services.actors import Actor
from remediation.services.outbox.audience import holders, reviewers
from remediation.services.outbox.tell import tell


def reopened(move: IncidentTransition, *, actor: Actor) -> None:
    """Tell lead and reviewers, in the transaction of this move to open."""
    _record(move.incident, "reopened", move.pk, actor)
    tell(
        Kind.INCIDENT_REOPENED,
        people={*holders(LEAD), *reviewers(move.incident)},
        once=f"reopened:{move.pk}",
        text=f"Why: {inert.line(move.reason)}",
        incident=move.incident,
    )


def unread(look: IncidentLook, *, actor: Actor) -> None:
    """Tell leads, in the transaction of the third look in a row that could not read."""
    why = str(look.data.get("why") or "a place could not be read")
    text = (
        "This incident counts as contained, but three looks in a row could not read its identity,"
        " so nobody knows whether it still is. The worker tries again at least every hour.\n"
        f"Why: {inert.line(why)}"
    )
    _record(look.incident, "unread", look.pk, actor)
    tell(
        Kind.INCIDENT_UNREAD,
        people=holders(LEAD),
        once=f"unread:{look.pk}",
        text=text,
        incident=look.incident,
    )


def _record(incident: Incident, kind: str, about: int, actor: Actor) -> None:
    entry = log.append(
        action=Event.WORKER_NOTICE_SENT,
        actor=actor.ref,
        object=f"incident:{incident.pk}",
        data={"kind": kind, "about": about},
    )
    IncidentNotice.objects.create(incident=incident, kind=kind, about=about, entry=entry.id)
