"""Resolve the reviews of a round. The web process and the gate use the same pure function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from remediation.domain.digest import Digests
from remediation.domain.statement import Decision


class Resolution(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"


@dataclass(frozen=True)
class CountedReview:
    """The parts of a review that counting needs."""

    person: str
    slot: str
    decision: str
    round: int
    digests: Digests


def resolve(
    slots: tuple[str, ...], reviews: Iterable[CountedReview], *, number: int, digests: Digests
) -> Resolution | None:
    """Return the resolution of round `number`, or None while it is open.

    Reviews of another round or over other digests do not count. One reject rejects; otherwise one
    return returns; otherwise every slot needs an approval by a different person. A ruling without
    slots is never approved.
    """
    counted = _counted(reviews, number, digests)
    decisions = {review.decision for review in counted}
    if Decision.REJECT in decisions:
        return Resolution.REJECTED
    if Decision.RETURN in decisions:
        return Resolution.RETURNED
    if slots and not _open(slots, counted):
        return Resolution.APPROVED
    return None


def open_slots(
    slots: tuple[str, ...], reviews: Iterable[CountedReview], *, number: int, digests: Digests
) -> tuple[str, ...]:
    """Return the slots that no approval of the round fills yet, in the ruling's order."""
    return _open(slots, _counted(reviews, number, digests))


def repeated_people(reviews: Iterable[CountedReview]) -> tuple[str, ...]:
    """Return the people who occur more than once; each person may count only once."""
    times = Counter(review.person for review in reviews)
    return tuple(person for person, number in times.items() if number > 1)


def _counted(
    reviews: Iterable[CountedReview], number: int, digests: Digests
) -> tuple[CountedReview, ...]:
    return tuple(r for r in reviews if r.round == number and r.digests == digests)


def _open(slots: tuple[str, ...], counted: tuple[CountedReview, ...]) -> tuple[str, ...]:
    filled: Counter[str] = Counter()
    seen: set[str] = set()
    for review in counted:
        if review.decision == Decision.APPROVE and review.person not in seen:
            # One person fills one slot (A10): only the person's first approval counts.
            seen.add(review.person)
            filled[review.slot] += 1
    still = []
    for slot in slots:
        if filled[slot] > 0:
            filled[slot] -= 1
        else:
            still.append(slot)
    return tuple(still)
