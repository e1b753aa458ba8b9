"""How a round of review stands, and what the person who looks may do in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from remediation.domain.approval_conditions import Conditions
from remediation.views.cards.action import Pin
from remediation.views.cards.scope import ScopeCard


@dataclass(frozen=True)
class CheckRow:
    name: str
    title: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class GateRow:
    """One numbered step of the gate as it stands now; ``outcome`` pass, fail or later."""

    number: int
    name: str
    outcome: str
    reason: str = ""
    note: str = ""  # the page's own words, instead of the gate's


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
    counts: bool  # of this round, over these digests


@dataclass(frozen=True)
class SlotRow:
    slot: str
    filled: ReviewRow | None = None


@dataclass(frozen=True)
class Choice:
    value: str
    title: str


@dataclass(frozen=True)
class Decide:
    """What the person who looks may do here."""

    slots: tuple[Choice, ...]
    why_not: str  # empty when the person may decide
    reject_reasons: tuple[Choice, ...]
    return_reasons: tuple[Choice, ...]
    person: str
    # What an approval asks a person to have looked at.
    attention: Conditions = field(default_factory=Conditions)
    may_report: bool = False
    may_correct: bool = False


@dataclass(frozen=True)
class Assessed:
    """What the worker found in this round, and how the round stands."""

    assessment_id: int
    round: int
    risk: str
    reasons: tuple[str, ...]
    decide_by: datetime
    run_within_s: int
    ruling_digest: str
    checks_digest: str
    scope: ScopeCard
    checks: tuple[CheckRow, ...]
    pin: Pin
    gate: tuple[GateRow, ...]
    slots: tuple[SlotRow, ...]
    observe_requested: bool = False
    tally: tuple[tuple[str, int], ...] = field(default=())

    @property
    def unpassed(self) -> tuple[CheckRow, ...]:
        """What failed or warns stands open; what passed is one click away."""
        return tuple(row for row in self.checks if row.outcome != "pass")

    @property
    def passed(self) -> tuple[CheckRow, ...]:
        return tuple(row for row in self.checks if row.outcome == "pass")


@dataclass(frozen=True)
class Rail:
    """The part of a review page that is read again while it is open."""

    proposal_id: UUID
    state: str
    round: int
    assessed: Assessed | None
    earlier: tuple[ReviewRow, ...] = ()
