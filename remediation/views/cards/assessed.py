"""Page data of one round: what the worker found, and which slots are filled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from remediation.domain import checks
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope
from remediation.models import (
    Assessment,
    Proposal,
)
from remediation.services.access import looks
from remediation.services.execution.preview_gate import preview
from remediation.services.review.sign import FRESH_FOR
from remediation.views.cards.checks import CheckRow, check_rows, tally
from remediation.views.cards.gate import GateRow, gate_rows
from remediation.views.cards.reviews import SlotRow, review_rows, slot_rows
from remediation.views.cards.scope import ScopeCard, scope_card


@dataclass(frozen=True)
class Pin:
    digest: str
    text: str
    observed_at: datetime
    fresh_until: datetime
    fresh: bool


@dataclass(frozen=True)
class Assessed:
    """One assessment with its ruling, checks, scope, pin, gate and slots."""

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
        """Return the checks that failed or warn; the page shows them open."""
        return tuple(row for row in self.checks if row.outcome != "pass")

    @property
    def passed(self) -> tuple[CheckRow, ...]:
        """Return the checks that passed; the page folds them."""
        return tuple(row for row in self.checks if row.outcome == "pass")


def assessed(proposal: Proposal, assessment: Assessment, *, now: datetime) -> Assessed:
    """Return everything that the worker found about the proposal in this round.

    Raises BadInput when a stored body cannot be read.
    """
    ruling = Ruling.parse(bytes(assessment.ruling))
    rows = check_rows(checks.parse(bytes(assessment.checks)))
    reviews = review_rows(proposal, assessment.round)
    return Assessed(
        assessment_id=assessment.pk,
        round=assessment.round,
        risk=ruling.risk,
        reasons=ruling.reasons,
        decide_by=ruling.decide_by,
        run_within_s=ruling.run_within_s,
        ruling_digest=assessment.ruling_digest,
        checks_digest=assessment.checks_digest,
        scope=scope_card(Scope.parse(bytes(assessment.scope))),
        checks=rows,
        pin=pin_of(assessment, now),
        gate=gate_rows(preview(proposal), decided=len(reviews), state=proposal.state),
        slots=slot_rows(ruling.slots, reviews, ruling.owners),
        observe_requested=looks.is_asked(proposal),
        tally=tally(rows),
    )


def pin_of(assessment: Assessment, now: datetime) -> Pin:
    """Return the pin, and whether it is fresh enough to sign."""
    seen_at = looks.seen_at(assessment)
    fresh_until = seen_at + FRESH_FOR
    return Pin(
        digest=assessment.pin_digest,
        text=bytes(assessment.pin).decode(),
        observed_at=seen_at,
        fresh_until=fresh_until,
        fresh=now < fresh_until,
    )
