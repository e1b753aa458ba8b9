"""What the page of a run gets, and the portal's words for what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy

from remediation.domain.outcome import Outcome
from remediation.domain.states import ProposalState

S = ProposalState
# States that the worker still moves on by itself.
LIVE = frozenset({S.APPROVED, S.EXECUTING, S.UNKNOWN})
PHASES = {
    "intended": gettext_lazy("Cleared by the gate and begun"),
    "applied": gettext_lazy("Applied"),
    "verified": gettext_lazy("Verified on the target"),
    "failed": gettext_lazy("Failed"),
    "unknown": gettext_lazy("No answer: the target will be read"),
    "undo_intended": gettext_lazy("Undoing begun"),
    "undone": gettext_lazy("Undone"),
    "undo_failed": gettext_lazy("Could not be undone"),
}
ENDS = {
    S.SUCCEEDED: gettext_lazy("Every step was applied and verified on the target."),
    S.ROLLED_BACK: gettext_lazy(
        "It did not go through. Every step that was applied has been undone."
    ),
    S.FAILED: gettext_lazy(
        "It did not go through, and not everything that was applied has been undone."
    ),
    S.UNKNOWN: gettext_lazy(
        "A call got no answer. When no call can be under way any more, the worker reads the"
        " target; it never tries again blindly."
    ),
}
# Why a run ended; refusals of the gate have words of their own.
REASONS = {
    "halted": gettext_lazy("A person halted it between two steps."),
    "settled": gettext_lazy("Its worker was gone; what it left was read from the target."),
    "not_applied": gettext_lazy("The target was not changed by the step."),
    "partly_applied": gettext_lazy("The target was changed only in part."),
    "verify_failed": gettext_lazy("The effect could not be seen on the target."),
    "outcome_unknown": gettext_lazy("The target gave no answer."),
    "rollback_failed": gettext_lazy("The target did not take the rollback."),
    "clearance_refused": gettext_lazy("The clearance of the gate had ended."),
}


@dataclass(frozen=True)
class Change:
    """A field of the target before the step, as read after it, and as read after undoing it."""

    name: str
    before: str | None
    after: str | None
    undone: str | None

    @property
    def changed(self) -> bool:
        return None not in (self.before, self.after) and self.before != self.after


@dataclass(frozen=True)
class PhaseRow:
    phase: str
    title: str
    at: datetime
    entry: int
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class RunStep:
    number: int
    sentence: str
    locator: str
    outcome: Outcome
    words: str
    reason: str
    token: int | None
    rollback: str
    phases: tuple[PhaseRow, ...]
    changes: tuple[Change, ...]
    was_undone: bool


@dataclass(frozen=True)
class LeaseRow:
    locator: str
    token: int
    held: bool


@dataclass(frozen=True)
class HaltCard:
    """A recorded halt. It stops the run once the worker has verified its signature."""

    person: str
    reason: str
    at: datetime
    entry: int
    holds: bool
    refusal: str  # why the worker refused it, in words

    @property
    def waits(self) -> bool:
        return not self.holds and not self.refusal


@dataclass(frozen=True)
class RunPage:
    """The run as it stands now, for one person."""

    proposal_id: UUID
    state: str
    sentences: tuple[str, ...]
    environment: str
    undone: str
    live: bool
    begun: bool
    steps: tuple[RunStep, ...]
    tally: str
    ending: str  # how it ended, in a sentence
    reason: str
    waiting_for: str
    started: datetime | None
    ended: datetime | None
    holder: str
    leases: tuple[LeaseRow, ...]
    halts: tuple[HaltCard, ...]
    # What a halt would undo, in this order; the signed statement lists the same.
    takes_back: tuple[str, ...]
    next_step: int  # the number of the step before which a halt would hold; 0: none is left
    may_halt: bool
    # The steps of a plan that reverses it, in order; empty when this person may not propose it or
    # nothing can be undone.
    undo: tuple[str, ...]
    version: str

    @property
    def haltable(self) -> bool:
        # A halt that is not verified yet takes the button from nobody: it may be forged.
        return self.may_halt and self.next_step > 0 and not self.halted

    @property
    def halted(self) -> bool:
        return any(halt.holds for halt in self.halts)

    @property
    def halt_key(self) -> str:
        """Which box about halting is shown; the page replaces the box when the key changes."""
        if self.haltable:
            return "form"
        if self.state != S.EXECUTING:
            return "none"
        return "halted" if self.halted else "late" if self.may_halt else "others"
