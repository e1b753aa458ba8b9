"""Close or contain an incident. A person closes it; a verified remediation contains it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.secrets import masking
from remediation.domain.states import CloseReason, IncidentState
from remediation.models import Incident, IncidentTransition, User
from remediation.services.access import visibility
from remediation.services.actors import Actor
from remediation.services.guards import translated
from remediation.services.reporting import secrets

MIN_REASON = 10


def state(incident: Incident) -> IncidentState:
    """Return the incident's state: open unless a transition says otherwise."""
    newest = incident.transitions.order_by("-id").first()
    return IncidentState(newest.to_state) if newest else IncidentState.OPEN


def close(*, actor: User, incident_id: UUID, outcome: str, reason: str) -> None:
    """Close an incident. Raises NoSuchObject, NotEntitled, ReasonRequired, WrongState."""
    with transaction.atomic():
        incident = visibility.visible_incidents(actor).filter(pk=incident_id).first()
        if incident is None:
            raise errors.NoSuchObject()
        if not visibility.may_close_incidents(actor, incident):
            raise errors.NotEntitled("only approvers and leads who do not own the reporting agent")
        # A person may quote a secret, and nobody can change the record later (A61).
        reason = masking.mask_text(reason, secrets.known_values(incident))
        if outcome not in set(CloseReason) or len(reason.strip()) < MIN_REASON:
            raise errors.ReasonRequired(
                "choose an outcome from the list and give a reason of at least ten characters"
            )
        source = state(incident)
        if source is IncidentState.CLOSED:
            raise errors.WrongState("the incident is already closed")
        _move(
            actor.actor, Event.PERSON_INCIDENT_CLOSED, incident_id, source, IncidentState.CLOSED,
            outcome, reason,
        )  # fmt: skip


def contain(*, actor: Actor, incident: Incident, reason: str) -> None:
    """Mark an open incident as contained after a verified remediation, in the caller's transaction.

    An incident that is no longer open stays as it is.
    """
    if state(incident) is IncidentState.OPEN:
        _move(
            actor.ref, Event.WORKER_INCIDENT_CONTAINED, incident.pk, IncidentState.OPEN,
            IncidentState.CONTAINED, "", reason,
        )  # fmt: skip


def _move(
    actor: str,
    event: Event,
    incident_id: UUID,
    source: IncidentState,
    target: IncidentState,
    outcome: str,
    reason: str,
) -> None:
    entry = log.append(
        action=event,
        actor=actor,
        object=f"incident:{incident_id}",
        data={"from": source, "to": target, "outcome": outcome, "reason": reason},
    )
    with translated():
        IncidentTransition.objects.create(
            incident_id=incident_id,
            from_state=source,
            to_state=target,
            outcome=outcome,
            reason=reason,
            actor=actor,
            entry=entry.id,
        )
