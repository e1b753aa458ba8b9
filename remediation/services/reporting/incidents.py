"""Move an incident: close it, contain it, open it again.

A person closes it. A run contains it, or a person who confirms a look; a look that finds access
opens it again, and so does what gives access back.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.act import Act, ActName
from remediation.domain.events import Event
from remediation.domain.secrets import masking
from remediation.domain.states import CloseReason, IncidentState
from remediation.models import (
    Incident,
    IncidentLook,
    IncidentLookRequest,
    IncidentTransition,
    Proposal,
    User,
)
from remediation.services.access import visibility
from remediation.services.actors import Actor
from remediation.services.guards import translated
from remediation.services.outbox import notify_incident
from remediation.services.people import stepup
from remediation.services.reporting import secrets

MIN_REASON = 10
NOT_HOLDING = "the look is too old, or something was done to the identity since: ask for a new one"
NOT_CONTAINED = "the incident is not contained now: choose “handled outside the portal” instead"


def state(incident: Incident) -> IncidentState:
    """Return the incident's state: open unless a transition says otherwise."""
    newest = incident.transitions.order_by("-id").first()
    return IncidentState(newest.to_state) if newest else IncidentState.OPEN


def keeps_from_running(proposal: Proposal) -> bool:
    """Return whether the proposal's incident is closed, so that it does not run any more (A78).

    Only a reversal that was proposed after the closure may. The gate and the guards ask the same.
    """
    closed = proposal.incident.transitions.filter(to_state=IncidentState.CLOSED).first()
    if closed is None:
        return False
    return proposal.reverses_id is None or proposal.recorded_at <= closed.recorded_at


def lock(incident_id: UUID) -> None:
    """Lock the incident until the transaction ends; a proposal's lock comes before it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.lock_incident_v1(%s)", [incident_id])


def closing(incident: Incident, outcome: str, reason: str) -> Act:
    """Return the act of `close`, to be signed, with the reason as the record keeps it."""
    # A person may quote a secret, and nobody can change the record later (A61).
    kept = masking.mask_text(reason, secrets.known_values(incident))
    said: dict[str, Json] = {"outcome": outcome, "reason": kept}
    return Act(ActName.CLOSE_INCIDENT, f"incident:{incident.pk}", said)


def close(
    *, actor: User, incident_id: UUID, outcome: str, reason: str, proof: stepup.Proof | None
) -> None:
    """Close an incident, as the person's passkey signed (docs/attacks.md A76).

    Raises NoSuchObject, NotEntitled, ReasonRequired, WrongState, and what `stepup.check` raises.

    What was proposed for it does not run any more (A78). The outcome `contained` needs an incident
    that is contained now.
    """
    with transaction.atomic():
        incident = _visible(actor, incident_id)
        if not visibility.may_close_incidents(actor, incident):
            raise errors.NotEntitled("only approvers and leads who do not own the reporting agent")
        act = closing(incident, outcome, reason)
        reason = str(act.input["reason"])
        if outcome not in set(CloseReason) or len(reason.strip()) < MIN_REASON:
            raise errors.ReasonRequired(
                "choose an outcome from the list and give a reason of at least ten characters"
            )
        lock(incident_id)
        source = state(incident)
        if source is IncidentState.CLOSED:
            raise errors.WrongState("the incident is already closed")
        if outcome == CloseReason.CONTAINED and source is not IncidentState.CONTAINED:
            raise errors.WrongState(NOT_CONTAINED)
        _close(actor, incident, source, act, stepup.check(actor=actor, act=act, proof=proof))


def _close(
    actor: User, incident: Incident, source: IncidentState, act: Act, signed: stepup.Checked
) -> None:
    moved = {"from": source.value, "to": IncidentState.CLOSED.value}
    entry = log.append(
        action=Event.PERSON_INCIDENT_CLOSED,
        actor=actor.actor,
        object=act.object,
        data={**moved, **act.input, "step_up": signed.data},
    )
    signed.use(entry.id)
    with translated():
        IncidentTransition.objects.create(
            incident=incident,
            from_state=source,
            to_state=IncidentState.CLOSED,
            outcome=str(act.input["outcome"]),
            reason=str(act.input["reason"]),
            actor=actor.actor,
            entry=entry.id,
        )


def ask_look(*, actor: User, incident_id: UUID) -> None:
    """Ask the worker to look at the incident's identity now.

    Raises NoSuchObject, NotEntitled, Separation, WrongState. A crash after the commit delays the
    look until the next turn of the task.
    """
    with transaction.atomic():
        incident = _visible(actor, incident_id)
        visibility.refuse_to_confirm(actor, incident)
        lock(incident_id)
        if state(incident) is IncidentState.CLOSED:
            raise errors.WrongState("the incident is closed")
        entry = log.append(
            action=Event.PERSON_LOOK_ASKED,
            actor=actor.actor,
            object=f"incident:{incident_id}",
            data={},
        )
        with translated():
            IncidentLookRequest.objects.create(
                incident=incident, person=actor.person, entry=entry.id
            )


def confirm_look(*, actor: User, incident_id: UUID, look_id: int) -> None:
    """Contain an open incident, because the worker saw its identity without access.

    The look must be the newest one, at most ten minutes old, and later than everything that a run
    did to the identity; the guard asks the same. Raises NoSuchObject, NotEntitled, Separation,
    WrongState.
    """
    with transaction.atomic():
        incident = _visible(actor, incident_id)
        visibility.refuse_to_confirm(actor, incident)
        lock(incident_id)
        if state(incident) is not IncidentState.OPEN:
            raise errors.WrongState("the incident is not open")
        look = IncidentLook.objects.filter(pk=look_id, incident=incident).first()
        if look is None:
            raise errors.NoSuchObject()
        if not holds(look):
            raise errors.WrongState(NOT_HOLDING)
        _move(
            actor.actor, Event.PERSON_INCIDENT_CONTAINED, incident_id, IncidentState.OPEN,
            IncidentState.CONTAINED, reason=f"look {look.pk}", look=look,
        )  # fmt: skip


def holds(look: IncidentLook) -> bool:
    """Return whether the look still says how the incident's identity is now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.look_holds_v1(%s, %s)", [look.incident_id, look.pk])
        return bool(cursor.fetchone()[0])


def contain(
    *,
    actor: Actor,
    incident: Incident,
    proposal: Proposal,
    reason: str,
    look: IncidentLook | None = None,
) -> bool:
    """Mark an open incident as contained by a run of it, in the transaction that ends the run, or
    in that of the ``look`` which follows the run.

    An incident that is no longer open stays as it is; then returns False.
    """
    lock(incident.pk)
    if state(incident) is not IncidentState.OPEN:
        return False
    _move(
        actor.ref, Event.WORKER_INCIDENT_CONTAINED, incident.pk, IncidentState.OPEN,
        IncidentState.CONTAINED, reason=reason, proposal=proposal, look=look,
    )  # fmt: skip
    return True


def reopen(
    *,
    actor: Actor,
    incident: Incident,
    reason: str,
    proposal: Proposal | None = None,
    look: IncidentLook | None = None,
) -> IncidentTransition | None:
    """Open a contained incident again, in the caller's transaction, and tell people.

    ``proposal`` gave access back, or ``look`` found it. An incident that is not contained stays
    as it is; then returns None.
    """
    lock(incident.pk)
    if state(incident) is not IncidentState.CONTAINED:
        return None
    moved = _move(
        actor.ref, Event.WORKER_INCIDENT_REOPENED, incident.pk, IncidentState.CONTAINED,
        IncidentState.OPEN, reason=reason, proposal=proposal, look=look,
    )  # fmt: skip
    notify_incident.reopened(moved, actor=actor)
    return moved


def _visible(actor: User, incident_id: UUID) -> Incident:
    incident = visibility.visible_incidents(actor).filter(pk=incident_id).first()
    if incident is None:
        raise errors.NoSuchObject()
    return incident


def _move(
    actor: str,
    event: Event,
    incident_id: UUID,
    source: IncidentState,
    target: IncidentState,
    *,
    reason: str,
    proposal: Proposal | None = None,
    look: IncidentLook | None = None,
) -> IncidentTransition:
    about: dict[str, Json] = {
        **({"proposal": str(proposal.pk)} if proposal else {}),
        **({"look": look.pk} if look else {}),
    }
    entry = log.append(
        action=event,
        actor=actor,
        object=f"incident:{incident_id}",
        data={"from": source, "to": target, "outcome": "", "reason": reason, **about},
    )
    with translated():
        return IncidentTransition.objects.create(
            incident_id=incident_id,
            from_state=source,
            to_state=target,
            outcome="",
            reason=reason,
            actor=actor,
            proposal=proposal,
            look=look,
            entry=entry.id,
        )
