"""From places to the rows that people read: a handful of queries, however many rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from django.db.models import F, QuerySet

from remediation.models import Assessment, QueueEntry
from remediation.services.review import presence
from remediation.views.cards import standing
from remediation.views.names import Names
from remediation.views.pages import QueueRow, ReviewRow, TargetGroup
from remediation.views.review import presenter


def rows(entries: Iterable[QueueEntry]) -> tuple[QueueRow, ...]:
    """Lines of the queue, in the order given; five queries for all of them."""
    found = list(entries)
    keys = [entry.pk for entry in found]
    slots = dict(
        Assessment.objects.filter(proposal__in=keys, round=F("proposal__round")).values_list(
            "proposal_id", "slots"
        )
    )
    reviews = standing.reviews_by_proposal(keys)
    return tuple(_row(entry, slots.get(entry.pk, ()), reviews.get(entry.pk, ())) for entry in found)


def readable(entries: QuerySet[QueueEntry]) -> QuerySet[QueueEntry]:
    """With what a row needs, and without the bytes that it does not."""
    return entries.select_related("proposal", "incident", "agent").only(
        *("place", "state", "risk", "environment", "target", "due"),
        *("proposal__plan", "proposal__round"),
        *("incident__title", "incident__detected_at", "agent__name"),
    )


def grouped(
    first: Sequence[QueueRow], others: Iterable[QueueRow], totals: Mapping[str, int]
) -> tuple[TargetGroup, ...]:
    """Each of the first rows with those behind it on the same target."""
    waiting: dict[str, list[QueueRow]] = {}
    for row in others:
        waiting.setdefault(row.target, []).append(row)
    return tuple(
        TargetGroup(row, tuple(waiting.get(row.target, ())), totals.get(row.target, 1))
        if row.target
        else TargetGroup(row)
        for row in first
    )


def looked_at(found: Sequence[QueueRow], person: UUID) -> dict[UUID, QueueRow]:
    """The rows with who else looks at them now; for the eyes of somebody who may see them all."""
    now = presence.lookers(row.proposal_id for row in found)
    others = {key: [one for one in people if one != person] for key, people in now.items()}
    names = Names([one for people in others.values() for one in people])
    return {
        row.proposal_id: replace(
            row, lookers=tuple(names.person(one) for one in others.get(row.proposal_id, ()))
        )
        for row in found
    }


def _row(entry: QueueEntry, slots: Sequence[str], reviews: Iterable[ReviewRow]) -> QueueRow:
    """The sentence is the portal's, from the plan's bytes."""
    plan = presenter.plan_of(entry.proposal)
    sentences = presenter.sentences(plan)
    return QueueRow(
        proposal_id=entry.pk,
        sentence=sentences[0],
        more_steps=len(sentences) - 1,
        environment=entry.environment,
        risk=entry.risk,
        state=entry.state,
        round=entry.proposal.round,
        incident_title_said=entry.incident.title,
        agent=entry.agent.name,
        detected_at=entry.incident.detected_at,
        due=entry.due,
        target=entry.target,
        slots=standing.seats(tuple(slots), reviews),
    )
