"""Withdraw a proposal that is not running. An agent may withdraw its own only."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.secrets import masking
from remediation.domain.states import ProposalState
from remediation.models import Proposal
from remediation.services import transition
from remediation.services.actors import AgentActor, PersonActor
from remediation.services.reporting import secrets

# States from which an agent or a person may end a proposal.
ENDABLE = (ProposalState.SUBMITTED, ProposalState.IN_REVIEW, ProposalState.APPROVED)

# A reversal, a plan and a version of a person have the agent's id but belong to the person (A79).
NO_PERSONS = {"reverses__isnull": True, "planner__isnull": True, "editor__isnull": True}


def withdraw(*, actor: AgentActor | PersonActor, proposal_id: UUID, reason: str) -> None:
    """Withdraw a proposal that is not running. Raises NoSuchObject, WrongState."""
    proposal = owned(actor, proposal_id)
    is_agent = isinstance(actor, AgentActor)
    event = Event.AGENT_PROPOSAL_WITHDRAWN if is_agent else Event.PERSON_PROPOSAL_WITHDRAWN
    end(actor, event, proposal, ProposalState.WITHDRAWN, reason)


def owned(actor: AgentActor | PersonActor, proposal_id: UUID) -> Proposal:
    """Lock and return the proposal. An agent finds only its own. Raises NoSuchObject."""
    transition.lock(proposal_id)
    mine = Proposal.objects.select_related("incident", "diagnosis")
    if isinstance(actor, AgentActor):
        mine = mine.filter(agent_id=actor.agent_id, **NO_PERSONS)
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
    data: Mapping[str, Json] | None = None,
) -> None:
    """Move a locked proposal to ``target``; secrets in the reason are masked. Raises WrongState.

    ``data`` is what the entry says besides.
    """
    state = ProposalState(proposal.state)
    if state not in ENDABLE:
        raise errors.WrongState(f"the proposal is {state}")
    transition.move(
        actor=actor,
        event=event,
        proposal_id=proposal.pk,
        source=state,
        target=target,
        reason=masking.mask_text(reason, secrets.known_values(proposal.incident)),
        data=data,
    )
