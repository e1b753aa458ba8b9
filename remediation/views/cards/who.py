"""Who has decided in this round, who still can, and who cannot and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from remediation import vocabulary
from remediation.models import Assessment, Proposal
from remediation.services.access.asked import owners_in
from remediation.services.access.deciders import Decider, deciders, missing
from remediation.views.cards.reviews import ReviewRow, review_rows, slot_rows
from remediation.views.cards.slots import title_of

FEW = 3


@dataclass(frozen=True)
class SlotLine:
    """One approval that is asked for, with who gave it or still can."""

    title: str
    filled: ReviewRow | None
    can: tuple[str, ...]

    @property
    def few(self) -> tuple[str, ...]:
        """Return the names that stand in the head; the card has all of them."""
        return self.can[:FEW]

    @property
    def others(self) -> int:
        return max(0, len(self.can) - FEW)


@dataclass(frozen=True)
class Excluded:
    """Somebody who cannot decide, and the reasons in words."""

    name: str
    because: str


@dataclass(frozen=True)
class Who:
    """The people of a round; `missing` names the slots that nobody can fill."""

    slots: tuple[SlotLine, ...]
    # Signed reviews that fill no slot: rejected or returned, and not verified yet.
    dissent: tuple[ReviewRow, ...]
    cannot: tuple[Excluded, ...]
    missing: tuple[str, ...]

    @property
    def filled(self) -> int:
        return sum(1 for line in self.slots if line.filled)


def who(proposal: Proposal, assessment: Assessment) -> Who:
    """Return the people of the present round."""
    people = deciders(proposal)
    reviews = review_rows(proposal, assessment.round)
    owners = owners_in(assessment)
    approvals = [row for row in reviews if row.decision == "approve"]
    rows = slot_rows(tuple(assessment.slots), approvals, owners)
    return Who(
        slots=tuple(
            SlotLine(row.title, row.filled, () if row.filled else _able(row.slot, people))
            for row in rows
        ),
        dissent=tuple(row for row in reviews if row.decision != "approve"),
        cannot=tuple(
            Excluded(one.name, "; ".join(vocabulary.saying(why) for why in one.why_not))
            for one in people
            if one.why_not
        ),
        missing=tuple(title_of(slot, owners) for slot in missing(proposal)),
    )


def _able(slot: str, people: Iterable[Decider]) -> tuple[str, ...]:
    return tuple(one.name for one in people if one.can_decide and slot in one.slots)
