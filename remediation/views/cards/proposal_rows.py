"""Lines of proposals, with a fixed number of queries for any number of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet

from remediation.models import Assessment, QueueEntry
from remediation.views.cards.proposal import plan_of, sentences
from remediation.views.cards.reviews import ReviewRow, SlotRow, reviews_by_proposal, slot_rows
from remediation.views.names import Names


@dataclass(frozen=True)
class ProposalRow:
    proposal_id: UUID
    sentence: str
    more_steps: int
    environment: str
    risk: str
    state: str
    round: int
    incident_title_untrusted: str
    agent: str
    detected_at: datetime
    due: datetime | None
    target: str
    slots: tuple[SlotRow, ...]
    mine: bool = False  # the person who views the page may decide it now
    lookers: tuple[str, ...] = ()  # others who have its page open now
    planned_by: str = ""  # the person who made the plan; empty for an agent's
    choice: UUID | None = None  # lines with the same choice are alternatives of one incident


def rows(entries: Iterable[QueueEntry]) -> tuple[ProposalRow, ...]:
    """Return the lines in the given order; five queries for all of them."""
    found = list(entries)
    keys = [entry.pk for entry in found]
    slots = dict(
        Assessment.objects.filter(proposal__in=keys, round=F("proposal__round")).values_list(
            "proposal_id", "slots"
        )
    )
    reviews = reviews_by_proposal(keys)
    planners = {entry.proposal.planner for entry in found} - {None}
    names = Names([one for one in planners if one]) if planners else None
    return tuple(
        _row(entry, slots.get(entry.pk, ()), reviews.get(entry.pk, ()), names) for entry in found
    )


def readable(entries: QuerySet[QueueEntry]) -> QuerySet[QueueEntry]:
    """Return the entries with only the columns that a line needs."""
    return entries.select_related("proposal", "incident", "agent").only(
        *("place", "state", "risk", "environment", "target", "due"),
        *("proposal__plan", "proposal__round", "proposal__planner", "proposal__choice"),
        *("incident__title", "incident__detected_at", "agent__name"),
    )


def _row(
    entry: QueueEntry, slots: Sequence[str], reviews: Iterable[ReviewRow], names: Names | None
) -> ProposalRow:
    """Return one line; its sentence is made from the plan's bytes."""
    plan, planner = plan_of(entry.proposal), entry.proposal.planner
    words = sentences(plan)
    return ProposalRow(
        proposal_id=entry.pk,
        sentence=words[0],
        more_steps=len(words) - 1,
        environment=entry.environment,
        risk=entry.risk,
        state=entry.state,
        round=entry.proposal.round,
        incident_title_untrusted=entry.incident.title,
        agent=entry.agent.name,
        detected_at=entry.incident.detected_at,
        due=entry.due,
        target=entry.target,
        slots=slot_rows(tuple(slots), reviews),
        planned_by=names.person(planner) if names and planner else "",
        choice=entry.proposal.choice_id,
    )
