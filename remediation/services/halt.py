"""Halting a run between two steps. A halt only stops: nothing reads it in order to go on.

The worker asks for it where it asks for the freeze, immediately before each step; the guard on
the step's row decides when both come at the same instant. What was applied is then undone.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import errors, masking
from remediation.domain.events import Event
from remediation.domain.inert import visible
from remediation.domain.states import ProposalState
from remediation.models import Halt, Proposal, User
from remediation.services import authorize, secrecy, transition
from remediation.services.guards import translated

MIN_REASON, MAX_REASON = 10, 500


def halt(*, actor: User, proposal_id: UUID, reason: str) -> Halt:
    """Stop a run before its next step; on record when this returns.

    Raises NoSuchObject, Separation, NotEntitled, ReasonRequired, TooLarge, BadValue, and
    WrongState when nothing runs, no step is left that has not begun, or somebody halted before.
    A crash before the commit leaves no halt; after it the worker, or whoever settles the run in
    its place, finds the row.
    """
    reason = checked(reason, MAX_REASON)
    found = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if found is not None:
        # Before the lock: nothing waits for the evidence to be looked through.
        reason = told(found, reason)
    with transaction.atomic():
        transition.lock(proposal_id)
        proposal = Proposal.objects.filter(pk=proposal_id).first()
        if proposal is None or not authorize.may_view(actor, proposal):
            raise errors.NoSuchObject()
        if proposal.state != ProposalState.EXECUTING:
            raise errors.WrongState(f"the proposal is {proposal.state}")
        authorize.refuse_to_halt(actor, proposal)
        entry = log.append(
            action=Event.PERSON_EXECUTION_HALTED,
            actor=actor.actor,
            object=f"proposal:{proposal_id}",
            data={"round": proposal.round, "reason": reason},
        )
        with translated():
            return Halt.objects.create(
                proposal=proposal, person=actor.person, reason=reason, entry=entry.id
            )


def told(proposal: Proposal, reason: str) -> str:
    """The reason as it goes on record, without the secrets of the incident's evidence (A61)."""
    return masking.covered(reason, secrecy.known_values(proposal.incident))


def refuse_if_halted(proposal_id: UUID) -> None:
    """The worker's question before each step. Raises Halted."""
    found = Halt.objects.filter(proposal_id=proposal_id).first()
    if found is not None:
        raise errors.Halted(f"by person:{found.person}: {found.reason}")


def checked(reason: str, most: int) -> str:
    """A person's reason as it goes on record. Raises ReasonRequired, TooLarge, BadValue."""
    said = reason.replace("\r\n", "\n").strip()
    if len(said) < MIN_REASON:
        raise errors.ReasonRequired(f"say why in {MIN_REASON} characters or more")
    if len(said) > most:
        raise errors.TooLarge(f"{most} characters at most")
    if visible(said) != said:
        raise errors.BadValue("the reason has characters that cannot be seen")
    return said
