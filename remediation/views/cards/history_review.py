"""History of the rounds: assessments, reviews, and requests to observe again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from django.utils.translation import gettext, gettext_lazy

from remediation import vocabulary
from remediation.models import (
    Assessment,
    ObservationRequest,
    Review,
    SeenAgain,
)
from remediation.views.cards.fields import Field
from remediation.views.cards.history import HistoryRow
from remediation.views.cards.reviews import review_row
from remediation.views.cards.slots import Seats, titles_of
from remediation.views.names import Names

DECISIONS = {
    "approve": gettext_lazy("Approved as %(slot)s, round %(round)d"),
    "reject": gettext_lazy("Rejected as %(slot)s, round %(round)d"),
    "return": gettext_lazy("Returned as %(slot)s, round %(round)d"),
}


def assessment_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each assessment with its digests and its exact bytes."""
    for row in Assessment.objects.filter(proposal__in=keys):
        slots = ", ".join(titles_of(row))
        yield HistoryRow(
            at=row.recorded_at,
            kind="assessment",
            word="in_review",
            title=gettext("Assessed, round %(round)d: risk %(risk)s, needs %(slots)s")
            % {"round": row.round, "risk": vocabulary.word(row.risk), "slots": slots},
            actor=gettext("the worker"),
            entry=row.entry,
            fields=(
                Field("pin digest", row.pin_digest),
                Field("scope digest", row.scope_digest),
                Field("checks digest", row.checks_digest),
                Field("ruling digest", row.ruling_digest),
            ),
            whole="\n".join(
                f"{name}: {bytes(body).decode(errors='backslashreplace')}"
                for name, body in (
                    ("pin", row.pin),
                    ("checks", row.checks),
                    ("scope", row.scope),
                    ("ruling", row.ruling),
                )
            ),
            proposal=row.proposal_id,
        )


def review_history(rounds: dict[UUID, int]) -> Iterator[HistoryRow]:
    """Yield each review, numbered as recorded; ``rounds`` maps proposals to their current round."""
    found = list(Review.objects.filter(proposal__in=list(rounds)).order_by("pk"))
    names = Names([row.person for row in found])
    numbers: Counter[UUID] = Counter()
    seats = Seats(found)
    for row in found:
        numbers[row.proposal_id] += 1
        review = review_row(row, names, counts=row.round == rounds[row.proposal_id])
        verdicts = ", ".join(
            f"{vocabulary.word(key)} {vocabulary.word(value)}" for key, value in review.verdicts
        )
        yield HistoryRow(
            at=row.recorded_at,
            kind="review",
            word=row.decision,
            title=str(DECISIONS[row.decision]) % {"slot": seats.of(row), "round": row.round},
            actor=review.person,
            entry=row.entry,
            cause=review.reason_code,
            reason=review.reason_text,
            language="",
            fields=(Field("verdicts", verdicts),),
            whole=bytes(row.statement).decode(errors="backslashreplace"),
            review=numbers[row.proposal_id],
            proposal=row.proposal_id,
        )


def seen_again_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each look of the worker that kept the round."""
    for row in SeenAgain.objects.filter(proposal__in=keys):
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="submitted",
            title=gettext("Read the target again: all as it was, approvals stay"),
            actor=gettext("the worker"),
            entry=row.entry,
            proposal=row.proposal_id,
        )


def request_rows(keys: list[UUID]) -> Iterator[HistoryRow]:
    """Yield each request of a person to read the target again."""
    found = list(ObservationRequest.objects.filter(proposal__in=keys))
    names = Names([row.person for row in found])
    for row in found:
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="submitted",
            title=gettext("Asked the worker to read the target again"),
            actor=names.person(row.person),
            entry=row.entry,
            proposal=row.proposal_id,
        )
