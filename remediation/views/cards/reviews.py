"""Reviews for readers, and the slots that they fill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F

from remediation import vocabulary
from remediation.domain.errors import BadInput
from remediation.domain.slots import Owner
from remediation.domain.statement import REJECT_REASONS, RETURN_REASONS, Statement
from remediation.models import Narrowing, Proposal, Review
from remediation.views.cards.slots import title_of
from remediation.views.names import Names


@dataclass(frozen=True)
class ReviewRow:
    person: str
    slot: str
    decision: str
    verdicts: tuple[tuple[str, str], ...]
    reason_code: str
    reason_text: str
    round: int
    at: datetime
    counts: bool  # it is of the current round


@dataclass(frozen=True)
class SlotRow:
    slot: str
    filled: ReviewRow | None = None
    title: str = ""


def review_rows(proposal: Proposal, round_: int | None = None) -> tuple[ReviewRow, ...]:
    """Return the reviews of one round, or of all, oldest first.

    Of the present round also a narrowing that counts as its author's approval.
    """
    found = Review.objects.filter(proposal=proposal).order_by("pk")
    if round_ is not None:
        found = found.filter(round=round_)
    reviews = list(found)
    present = round_ == proposal.round and proposal.supersedes_id is not None
    narrowings = _narrowings([proposal.pk]) if present else []
    names = Names([*(row.person for row in narrowings), *(row.person for row in reviews)])
    return (
        *(_narrowing_row(row, names) for row in narrowings),
        *(review_row(row, names, counts=row.round == proposal.round) for row in reviews),
    )


def reviews_by_proposal(keys: list[UUID], successors: list[UUID]) -> dict[UUID, list[ReviewRow]]:
    """Return the reviews of the current rounds of many proposals, in two queries.

    A third one asks for narrowings if some are `successors`: only those can have one.
    """
    found = Review.objects.filter(proposal__in=keys, round=F("proposal__round")).order_by("pk")
    reviews, narrowings = list(found), _narrowings(successors) if successors else []
    names = Names([*(row.person for row in narrowings), *(row.person for row in reviews)])
    rows: dict[UUID, list[ReviewRow]] = {}
    for narrowing in narrowings:
        rows.setdefault(narrowing.proposal_id, []).append(_narrowing_row(narrowing, names))
    for review in reviews:
        rows.setdefault(review.proposal_id, []).append(review_row(review, names, counts=True))
    return rows


def _narrowings(keys: list[UUID]) -> list[Narrowing]:
    """Return the narrowings that count as approvals of the current rounds."""
    counting = Narrowing.objects.filter(
        proposal__in=keys,
        proposal__assessments__round=F("proposal__round"),
        proposal__assessments__narrowing_counts=True,
    )
    return list(counting.select_related("proposal"))


def _narrowing_row(narrowing: Narrowing, names: Names) -> ReviewRow:
    return ReviewRow(
        person=names.person(narrowing.person),
        slot=narrowing.slot,
        decision="approve",
        verdicts=(),
        reason_code="",
        reason_text="",
        round=narrowing.proposal.round,
        at=narrowing.recorded_at,
        counts=True,
    )


def review_row(review: Review, names: Names, *, counts: bool) -> ReviewRow:
    """Return one review; verdicts and reason are empty when its statement cannot be read."""
    verdicts: tuple[tuple[str, str], ...] = ()
    code = text = ""
    try:
        statement = Statement.parse(bytes(review.statement))
    except BadInput:
        pass
    else:
        verdicts = tuple((key, str(value)) for key, value in statement.verdicts.to_json().items())
        code, text = statement.reason.code, statement.reason.text
    return ReviewRow(
        person=names.person(review.person),
        slot=review.slot,
        decision=review.decision,
        verdicts=verdicts,
        reason_code=vocabulary.saying({**REJECT_REASONS, **RETURN_REASONS}.get(code, code)),
        reason_text=text,
        round=review.round,
        at=review.recorded_at,
        counts=counts,
    )


def slot_rows(
    slots: tuple[str, ...], reviews: Iterable[ReviewRow], owners: Iterable[Owner] = ()
) -> tuple[SlotRow, ...]:
    """Return the ruling's slots in order, each with the review that fills it."""
    waiting, asked = list(reviews), tuple(owners)
    rows = []
    for slot in slots:
        taken = next((review for review in waiting if review.slot == slot), None)
        if taken is not None:
            waiting.remove(taken)
        rows.append(SlotRow(slot, taken, title_of(slot, asked)))
    return tuple(rows)
