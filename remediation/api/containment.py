"""What an agent reads of the containment of its incident."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.containment import Found, Why
from remediation.domain.states import IncidentState, ProposalState
from remediation.models import IncidentTransition, Proposal
from remediation.services.execution import contain


class Containment(serializers.Serializer[Any]):
    state = serializers.ChoiceField([state.value for state in IncidentState])
    since = serializers.DateTimeField(allow_null=True)
    by_this_run = serializers.BooleanField(help_text="The run of this proposal brought it there.")
    looked_at = serializers.DateTimeField(allow_null=True)
    found = serializers.ChoiceField([found.value for found in Found], allow_null=True)
    lacks = serializers.ListField(
        child=serializers.ChoiceField([why.value for why in Why]),
        help_text="What kept this proposal's run from containing the incident.",
    )


def answer(found: Proposal) -> dict[str, Json]:
    """Return the incident's state, the newest look, and what this run lacks to contain it.

    A person's reason is omitted, and so are places and other agents' runs: an agent may be
    compromised. It reads only what its own proposals did, and whether people closed it. That holds
    in each incident: a rule for joint ones alone would tell an agent that others reported (A79).
    """
    incident, agent_id = found.incident, found.agent_id
    move = incident.transitions.select_related("proposal").order_by("-id").first()
    look = incident.looks.select_related("proposal").order_by("-id").first()
    move = move if move and _is_told(move, agent_id) else None
    look = look if look and look.proposal and look.proposal.agent_id == agent_id else None
    succeeded = found.state == ProposalState.SUCCEEDED
    lacks: list[Json] = (
        [why for why in sorted({one.why.value for one in contain.lacks(found)})]
        if succeeded
        else []
    )
    return {
        "state": move.to_state if move else IncidentState.OPEN.value,
        "since": instant.dump(move.recorded_at) if move else None,
        "by_this_run": bool(move and move.proposal_id == found.pk),
        "looked_at": instant.dump(look.recorded_at) if look else None,
        "found": look.found if look else None,
        "lacks": lacks,
    }


def _is_told(move: IncidentTransition, agent_id: UUID) -> bool:
    """Return whether the move of the incident is this agent's business.

    It was open again after a run of this agent contained it, or a person closed it, or a run of
    this agent moved it.
    """
    if move.to_state == IncidentState.CLOSED:
        return True
    if move.proposal is not None and move.proposal.agent_id == agent_id:
        return True
    before = move.incident.transitions.filter(id__lt=move.pk).order_by("-id").first()
    run = before.proposal if before else None
    return move.to_state == IncidentState.OPEN and run is not None and run.agent_id == agent_id
