"""Count how people reviewed the earlier diagnoses of an agent: its track record."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from remediation.domain.errors import BadInput
from remediation.domain.report import load_diagnosis
from remediation.domain.retrospect import RIGHT
from remediation.domain.statement import Statement
from remediation.models import Proposal, Review
from remediation.services.learning import outcome_figures

# Reads this many reviews, newest first: old ones say little about the agent as it is now.
MOST = 200


# Confidences count as similar within this many per cent.
NEAR = 10


@dataclass(frozen=True)
class AgentRecord:
    """Counts of reviewed diagnoses; ``near`` counts those of similar confidence."""

    judged: int
    confirmed: int
    near_from: int
    near_to: int
    near_judged: int
    near_confirmed: int
    # Incidents whose diagnosis people judged afterwards, and those where it turned out right.
    turned_out: int = 0
    turned_out_right: int = 0


def record_of(proposal: Proposal, confidence: int) -> AgentRecord | None:
    """Count one verdict for each earlier incident of this agent; one "no" outweighs any "yes".

    Return None when nobody reviewed one. Three queries.
    """
    verdicts = _verdicts(
        Review.objects.filter(proposal__agent_id=proposal.agent_id).exclude(
            proposal__incident_id=proposal.incident_id
        )
    )
    if not verdicts:
        return None
    later = outcome_figures.of_agent(proposal.agent_id)
    near = [right for right, sure in verdicts.values() if abs(sure - confidence) <= NEAR]
    return AgentRecord(
        judged=len(verdicts),
        confirmed=sum(right for right, _ in verdicts.values()),
        near_from=max(0, confidence - NEAR),
        near_to=min(100, confidence + NEAR),
        near_judged=len(near),
        near_confirmed=sum(near),
        turned_out=later.answered,
        turned_out_right=later.count(RIGHT),
    )


def judged_by_people(agent_id: UUID) -> tuple[int, int]:
    """Return of how many incidents people judged this agent's diagnosis, and confirmed it."""
    verdicts = _verdicts(Review.objects.filter(proposal__agent_id=agent_id))
    return len(verdicts), sum(right for right, _ in verdicts.values())


def _verdicts(reviews: QuerySet[Review]) -> dict[object, tuple[bool, int]]:
    """Return by incident whether the diagnosis was confirmed, and how sure the agent was."""
    verdicts: dict[object, tuple[bool, int]] = {}
    for review in reviews.select_related("proposal__diagnosis").order_by("-pk")[:MOST]:
        read = _read(review)
        if read is not None:
            right, sure = read
            key = review.proposal.incident_id
            verdicts[key] = (right and verdicts.get(key, (True, 0))[0], sure)
    return verdicts


def _read(review: Review) -> tuple[bool, int] | None:
    """Return the verdict on the diagnosis and the agent's confidence; None when unreadable."""
    try:
        statement = Statement.parse(bytes(review.statement))
        diagnosis = load_diagnosis(bytes(review.proposal.diagnosis.body), allow_test=True)
    except BadInput:
        return None
    return statement.verdicts.diagnosis, diagnosis.confidence
