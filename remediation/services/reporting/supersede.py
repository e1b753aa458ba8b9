"""Supersede a proposal by a new one. Proposals are immutable: an edit is a new proposal."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.domain.plan import Plan
from remediation.domain.secrets import masking
from remediation.domain.states import ProposalState
from remediation.models import Diagnosis
from remediation.services.actors import AgentActor, PersonActor
from remediation.services.reporting import propose, secrets, withdraw


def supersede(
    *,
    actor: AgentActor | PersonActor,
    proposal_id: UUID,
    plan: Plan,
    rationale: str,
    reason: str,
    diagnosis: Diagnosis | None = None,
    makes: UUID | None = None,
    data: Mapping[str, Json] | None = None,
) -> UUID:
    """Replace a proposal by one with this plan; return the new proposal's id.

    Reviews of the old proposal stay on record but no longer count. A person is recorded as editor
    and cannot decide on the new one (promise 4). The new one stays a plan of the same planner and
    in the same choice. ``diagnosis`` defaults to the old proposal's; ``makes`` is the new
    proposal's id, where a person signed it; ``data`` is what the entry of the old one's end says
    besides.
    Raises NoSuchObject, WrongState, AgentDisabled.
    """
    old = withdraw.owned(actor, proposal_id)
    is_agent = isinstance(actor, AgentActor)
    event = Event.AGENT_PROPOSAL_SUPERSEDED if is_agent else Event.PERSON_PROPOSAL_SUPERSEDED
    withdraw.end(actor, event, old, ProposalState.SUPERSEDED, reason, data)
    return propose.insert(
        actor=actor,
        incident=old.incident,
        diagnosis=diagnosis or old.diagnosis,
        plan=plan,
        rationale=masking.mask_text(rationale, secrets.known_values(old.incident)),
        token_id=actor.token_id if isinstance(actor, AgentActor) else old.token_id,
        agent_id=old.agent_id,
        supersedes=old,
        proposal_id=makes,
        special=propose.Special(planner=old.planner, place=propose.Place.of(old)),
    )
