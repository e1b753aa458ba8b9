"""Withdraw a proposal that is not running: an agent its own, a person any that it may edit."""

from __future__ import annotations

from uuid import UUID

from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.secrets import covering
from remediation.domain.states import ProposalState
from remediation.models import Proposal
from remediation.services import transition
from remediation.services.actors import AgentActor, PersonActor
from remediation.services.reporting import secrets

# What an agent or a person may still end.
ENDABLE = (ProposalState.SUBMITTED, ProposalState.IN_REVIEW, ProposalState.APPROVED)


def withdraw(*, actor: AgentActor | PersonActor, proposal_id: UUID, reason: str) -> None:
    """End a proposal that is not running. Raises NoSuchObject, WrongState."""
    proposal = owned(actor, proposal_id)
    is_agent = isinstance(actor, AgentActor)
    event = Event.AGENT_PROPOSAL_WITHDRAWN if is_agent else Event.PERSON_PROPOSAL_WITHDRAWN
    end(actor, event, proposal, ProposalState.WITHDRAWN, reason)


def owned(actor: AgentActor | PersonActor, proposal_id: UUID) -> Proposal:
    """The proposal, locked. An agent finds its own only. Raises NoSuchObject."""
    transition.lock(proposal_id)
    mine = Proposal.objects.select_related("incident", "diagnosis")
    if isinstance(actor, AgentActor):
        # Not a person's undoing of what it did: that is not its to end.
        mine = mine.filter(agent_id=actor.agent_id, reverses__isnull=True)
    proposal = mine.filter(pk=proposal_id).first()
    if proposal is None:
        raise errors.NoSuchObject()
    return proposal


def end(
    actor: AgentActor | PersonActor,
    event: Event,
    proposal: Proposal,
    target: ProposalState,
    reason: str,
) -> None:
    """Move a locked proposal to ``target``; its reason is kept covered. Raises WrongState."""
    state = ProposalState(proposal.state)
    if state not in ENDABLE:
        raise errors.WrongState(f"the proposal is {state}")
    transition.move(
        actor=actor,
        event=event,
        proposal_id=proposal.pk,
        source=state,
        target=target,
        reason=covering.covered(reason, secrets.known_values(proposal.incident)),
    )
