"""Move a proposal: write one audit entry and one transition row, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import connection

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.models import Transition
from remediation.services import lines
from remediation.services.actors import Actor
from remediation.services.guards import translated


def lock(proposal_id: UUID) -> None:
    """Lock the proposal until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.lock_proposal_v1(%s)", [proposal_id])


def move(
    *,
    actor: Actor,
    event: Event,
    proposal_id: UUID,
    source: ProposalState,
    target: ProposalState,
    reason: str = "",
    data: Mapping[str, Json] | None = None,
) -> Transition:
    """Move a proposal from ``source`` to ``target``; the SQL guard compares and sets.

    Must run inside a transaction. The state moves in the same statement that records it; a crash
    before the commit leaves neither entry nor move. Raises WrongState when the proposal is not in
    ``source`` or the login may not make this transition, and the other refusals of the guard.
    """
    entry = log.append(
        action=event,
        actor=actor.ref,
        object=f"proposal:{proposal_id}",
        data={**(data or {}), "from": source, "to": target, "reason": reason},
    )
    with translated():
        moved = Transition.objects.create(
            proposal_id=proposal_id,
            from_state=source,
            to_state=target,
            round=0,  # set by the guard
            actor=actor.ref,
            reason=reason[:200],
            entry=entry.id,
        )
    lines.say(
        lines.Line.MOVED,
        proposal=proposal_id,
        event=event,
        source=source,
        target=target,
        actor=actor.ref,
        entry=entry.id,
    )
    return moved
