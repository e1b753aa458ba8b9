"""Assignments of incidents, and comments."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from remediation import models as m
from remediation.domain.events import Event
from tests.factories.logins import WEB, acting, entry
from tests.factories.people import Person


def assignment(
    incident: m.Incident,
    person: UUID | None,
    by: Person | str,
    *,
    replaces: m.IncidentAssignment | None = None,
    object: str = "",
    said: UUID | None = None,
) -> m.IncidentAssignment:
    """Insert an assignment; ``said`` is what its entry names instead of ``person``."""
    actor = by if isinstance(by, str) else by.actor
    named = said or person
    with acting(WEB):
        return m.IncidentAssignment.objects.create(
            incident=incident,
            person=person,
            replaces=replaces,
            actor=actor,
            entry=entry(
                Event.PERSON_INCIDENT_ASSIGNED,
                actor,
                object or f"incident:{incident.pk}",
                person=str(named) if named else None,
            ),
        )


def comment(
    incident: m.Incident,
    by: Person,
    text: str = "Is this key still in use?",
    *,
    asked: Sequence[UUID] = (),
    proposal: m.Proposal | None = None,
    actor: str = "",
    object: str = "",
    said: str = "",
) -> m.IncidentComment:
    """Insert a comment; ``actor`` and ``said`` are what its entry says instead."""
    with acting(WEB):
        return m.IncidentComment.objects.create(
            incident=incident,
            proposal=proposal,
            person=by.id,
            text=text,
            asked=list(asked),
            entry=entry(
                Event.PERSON_INCIDENT_COMMENTED,
                actor or by.actor,
                object or f"incident:{incident.pk}",
                text=said or text,
                asked=[str(one) for one in asked],
                proposal=str(proposal.pk) if proposal else None,
            ),
        )
