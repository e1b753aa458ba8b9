"""Group lines by target, and add who else has them open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from remediation.services.reporting import assign
from remediation.services.review import presence
from remediation.views.cards.proposal_rows import ProposalRow
from remediation.views.names import Names
from remediation.views.queue.page import TargetGroup


def grouped(
    first: Sequence[ProposalRow], others: Iterable[ProposalRow], totals: Mapping[str, int]
) -> tuple[TargetGroup, ...]:
    """Group each of the first rows with the less urgent ones on the same target."""
    waiting: dict[str, list[ProposalRow]] = {}
    for row in others:
        waiting.setdefault(row.target, []).append(row)
    return tuple(
        TargetGroup(row, tuple(waiting.get(row.target, ())), totals.get(row.target, 1))
        if row.target
        else TargetGroup(row)
        for row in first
    )


def owned(found: Mapping[UUID, ProposalRow]) -> dict[UUID, ProposalRow]:
    """Add to each row who has its incident. The caller may see all rows."""
    have = assign.assignees({row.incident_id for row in found.values()})
    names = Names(have.values())
    return {
        key: replace(row, owner=owner, owner_name=names.person(owner))
        if (owner := have.get(row.incident_id))
        else row
        for key, row in found.items()
    }


def looked_at(found: Sequence[ProposalRow], person: UUID) -> dict[UUID, ProposalRow]:
    """Add to each row who else has it open now. The caller may see all rows."""
    now = presence.lookers(row.proposal_id for row in found)
    others = {key: [one for one in people if one != person] for key, people in now.items()}
    names = Names([one for people in others.values() for one in people])
    return {
        row.proposal_id: replace(
            row, lookers=tuple(names.person(one) for one in others.get(row.proposal_id, ()))
        )
        for row in found
    }
