"""Lines of proposals, with a fixed number of queries for any number of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from remediation.domain.slots import OWNERS, Owner
from remediation.domain.states import ProposalState
from remediation.models import Assessment, QueueEntry
from remediation.services.access.asked import owners_of
from remediation.services.outbox import not_started
from remediation.views.cards.proposal import describe_late, plan_of, sentences, title_of
from remediation.views.cards.reviews import ReviewRow, SlotRow, reviews_by_proposal, slot_rows
from remediation.views.names import Names

SOON = timedelta(minutes=5)
# Counted by the database: the bytes of a hundred assessments need not travel for a number.
FAILED = (
    "(SELECT count(*) FROM jsonb_array_elements("
    "convert_from(remediation_assessment.checks, 'UTF8')::jsonb -> 'checks') AS c (found)"
    " WHERE c.found ->> 'outcome' = 'fail')"
)
# Only a ruling with an owner's slot names teams that a line shows.
ASKING = (
    "(CASE WHEN remediation_assessment.slots ?| %s::text[] THEN remediation_assessment.ruling END)"
)


@dataclass(frozen=True)
class ProposalRow:
    proposal_id: UUID
    title_untrusted: str  # verb and target of the plan
    sentence: str  # the whole first sentence
    environment: str
    risk: str
    state: str
    round: int
    incident_id: UUID
    incident_title_untrusted: str
    kind_untrusted: str
    failed: int  # how many checks failed
    agent: str
    detected_at: datetime
    due: datetime | None
    target: str
    slots: tuple[SlotRow, ...]
    mine: bool = False  # the person who views the page may decide it now
    lookers: tuple[str, ...] = ()  # others who have its page open now
    planned_by: str = ""  # the person who made the plan; empty for an agent's
    choice: UUID | None = None  # lines with the same choice are alternatives of one incident
    owner: UUID | None = None  # who has its incident
    owner_name: str = ""
    late: str = ""  # approved, and not started in time: since when, and why

    @property
    def soon(self) -> bool:
        """Return whether less than five minutes are left to decide, or none."""
        return self.due is not None and self.due - timezone.now() < SOON


def rows(entries: Iterable[QueueEntry]) -> tuple[ProposalRow, ...]:
    """Return the lines in the given order; at most seven queries for all of them."""
    found = list(entries)
    keys = [entry.pk for entry in found]
    current = Assessment.objects.filter(proposal__in=keys, round=F("proposal__round"))
    counted = current.annotate(  # constants
        failed=RawSQL(FAILED, []),  # noqa: S611
        asking=RawSQL(ASKING, [list(OWNERS)]),  # noqa: S611
    )
    asked = {
        key: (slots, owners_of(slots, ruling), failed)
        for key, slots, ruling, failed in counted.values_list(
            "proposal_id", "slots", "asking", "failed"
        )
    }
    successors = [entry.pk for entry in found if entry.proposal.supersedes_id is not None]
    reviews = reviews_by_proposal(keys, successors)
    planners = {entry.proposal.planner for entry in found} - {None}
    names = Names([one for one in planners if one]) if planners else None
    made = [
        _row(entry, *asked.get(entry.pk, ((), (), 0)), reviews.get(entry.pk, ()), names)
        for entry in found
    ]
    approved = [row.proposal_id for row in made if row.state == ProposalState.APPROVED]
    late = not_started.late(approved) if approved else {}
    return tuple(
        replace(row, late=describe_late(late[row.proposal_id])) if row.proposal_id in late else row
        for row in made
    )


def readable(entries: QuerySet[QueueEntry]) -> QuerySet[QueueEntry]:
    """Return the entries with only the columns that a line needs."""
    return entries.select_related("proposal", "incident", "agent").only(
        *("place", "state", "risk", "environment", "target", "due"),
        *("proposal__plan", "proposal__round", "proposal__planner", "proposal__choice"),
        "proposal__supersedes",
        *("incident__title", "incident__kind", "incident__detected_at", "agent__name"),
    )


def _row(
    entry: QueueEntry,
    slots: Sequence[str],
    owners: Iterable[Owner],
    failed: int,
    reviews: Iterable[ReviewRow],
    names: Names | None,
) -> ProposalRow:
    """Return one line; its title is made from the plan's bytes."""
    plan, planner = plan_of(entry.proposal), entry.proposal.planner
    return ProposalRow(
        proposal_id=entry.pk,
        title_untrusted=title_of(plan),
        sentence=sentences(plan)[0],
        environment=entry.environment,
        risk=entry.risk,
        state=entry.state,
        round=entry.proposal.round,
        incident_id=entry.incident_id,
        incident_title_untrusted=entry.incident.title,
        kind_untrusted=entry.incident.kind,
        failed=failed,
        agent=entry.agent.name,
        detected_at=entry.incident.detected_at,
        due=entry.due,
        target=entry.target,
        slots=slot_rows(tuple(slots), reviews, owners),
        planned_by=names.person(planner) if names and planner else "",
        choice=entry.proposal.choice_id,
    )
