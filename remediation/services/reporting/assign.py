"""Assign an incident: take it, give it to another person, take it over, give it up.

Who has the incident has its proposals too: "I take it" on a proposal is the same fact.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.states import IncidentState
from remediation.models import Incident, IncidentAssignment, User
from remediation.services.access import visibility
from remediation.services.guards import translated
from remediation.services.reporting import incidents
from remediation.services.reporting.viewers import candidates

MEANWHILE = "somebody assigned it meanwhile: look who has it, then take it over if you must"


def assign(
    *, actor: User, incident_id: UUID, person: UUID | None, seen: UUID | None
) -> IncidentAssignment:
    """Give the incident to a person, or to nobody.

    ``seen`` is who had it on the page that the actor saw: if that changed meanwhile, nobody is
    pushed aside unseen. Raises NoSuchObject, NotEntitled, WrongState.
    """
    with transaction.atomic():
        incident = visibility.visible_incidents(actor).filter(pk=incident_id).first()
        if incident is None:
            raise errors.NoSuchObject()
        entitled = candidates(incident_id)
        if actor.person not in entitled:
            raise errors.NotEntitled("only approvers and leads take or give incidents")
        if person is not None and person not in entitled:
            raise errors.NotEntitled("only an approver or a lead who may see it can have it")
        incidents.lock(incident_id)
        if incidents.state(incident) is IncidentState.CLOSED:
            raise errors.WrongState("the incident is closed")
        newest = incident.assignments.order_by("-id").first()
        had = newest.person if newest else None
        if had != seen:
            raise errors.WrongState(MEANWHILE)
        if had == person:
            raise errors.WrongState("that is so already")
        return _record(actor, incident, person, newest)


def assignees(incident_ids: Collection[UUID], using: str = "default") -> dict[UUID, UUID]:
    """Return who has each of these incidents; those that nobody has are left out."""
    newest = (
        IncidentAssignment.objects.using(using)
        .filter(incident__in=list(incident_ids))
        .order_by("incident", "-id")
        .distinct("incident")
    )
    return {row.incident_id: row.person for row in newest if row.person is not None}


def _record(
    actor: User, incident: Incident, person: UUID | None, newest: IncidentAssignment | None
) -> IncidentAssignment:
    entry = log.append(
        action=Event.PERSON_INCIDENT_ASSIGNED if person else Event.PERSON_INCIDENT_UNASSIGNED,
        actor=actor.actor,
        object=f"incident:{incident.pk}",
        data={
            "person": str(person) if person else None,
            "before": str(newest.person) if newest and newest.person else None,
        },
    )
    with translated():
        return IncidentAssignment.objects.create(
            incident=incident, person=person, replaces=newest, actor=actor.actor, entry=entry.id
        )
