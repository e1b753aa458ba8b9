"""The data of the page of a run, and the texts for what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from remediation.domain.halt.statement import RunDecision
from remediation.domain.outcome import Outcome
from remediation.domain.states import ProposalState
from remediation.services.review.reversal import BY_PEOPLE
from remediation.views.cards.limits import DoesNotStop, LimitRow
from remediation.views.cards.plan_waits import PlanFlow
from remediation.views.run.traces import TraceCard
from remediation.views.run.waiting import WaitCard
from remediation.views.run.ways import Undoing, Ways

S = ProposalState
# States that the worker still changes by itself.
LIVE = frozenset({S.APPROVED, S.EXECUTING, S.WAITING, S.UNKNOWN})
# Decisions that stop a run; the others are about one that waits, or that does not go on.
HALTS = ("halt", "keep", "undo")
PHASES = {
    "intended": gettext_lazy("Started, cleared by the gate"),
    "applied": gettext_lazy("Applied"),
    "verified": gettext_lazy("Confirmed at the target"),
    "failed": gettext_lazy("Failed"),
    "unknown": gettext_lazy("No answer: the worker will read the target"),
    "undo_intended": gettext_lazy("Undo started"),
    "undone": gettext_lazy("Undone"),
    "undo_failed": gettext_lazy("Undo failed"),
}
# What follows a signature; it takes effect when the worker has verified it.
SIGNED: dict[str, Promise] = {
    RunDecision.KEEP: gettext_lazy("Then what was applied stays."),
    RunDecision.UNDO: gettext_lazy(
        "Then it undoes the applied steps whose targets are as the run left them."
    ),
    RunDecision.SETTLE: gettext_lazy("Then it counts."),
    RunDecision.GO_ON: gettext_lazy("Then the whole gate checks again, and the run goes on."),
    RunDecision.LONGER: gettext_lazy("Then the run waits longer."),
}
# Why a run ended; refusals of the gate have words of their own.
REASONS = {
    "halted": gettext_lazy("A person halted the run between two steps."),
    "settled": gettext_lazy("The worker was gone; the outcome was read from the target."),
    "not_applied": gettext_lazy("The step did not change the target."),
    "not_confirmed": gettext_lazy("The effect was not seen at the target in time."),
    BY_PEOPLE["applied"]: gettext_lazy(
        "Two people said that the step was applied. The worker did not see it."
    ),
    BY_PEOPLE["not_applied"]: gettext_lazy(
        "Two people said that the step changed nothing. The worker did not see it."
    ),
    "partly_applied": gettext_lazy("The step was applied only in part."),
    "verify_failed": gettext_lazy("The target does not show the effect."),
    "outcome_unknown": gettext_lazy("The target did not answer."),
    "rollback_failed": gettext_lazy("The rollback failed on the target."),
    "clearance_refused": gettext_lazy("The clearance had expired."),
    "wait_over": gettext_lazy("It waited, and nobody answered in time."),
}


@dataclass(frozen=True)
class Change:
    """A field of the target before the step, after it, and after its rollback."""

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
    rollback: str  # the title of the action that undoes it; empty if none does
    phases: tuple[PhaseRow, ...]
    changes: tuple[Change, ...]
    was_undone: bool
    does_not_stop: DoesNotStop | None = None
    made: tuple[tuple[str, str], ...] = ()  # what it made, by name
    traces: TraceCard | None = None


@dataclass(frozen=True)
class OutcomeCard:
    """The head of the page. `done` is the catalogue's English with names of targets, and `why` may
    be recorded text."""

    tone: str
    icon: str
    title: str
    done_untrusted: str = ""
    why_untrusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class NextStep:
    """One thing that people can do now: why, and where."""

    hint: str
    label: str
    url: str


@dataclass(frozen=True)
class HaltParts:
    """What a halt would do now: sentences of steps that stay applied, and that never start."""

    kept: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeaseRow:
    locator: str
    token: int
    held: bool


@dataclass(frozen=True)
class HaltCard:
    """A signed statement about a run. It has an effect after the worker verified its signature."""

    person: str
    decision: str
    found: str  # what a settlement of an unknown run says
    reason: str
    at: datetime
    entry: int
    holds: bool
    refusal: str  # why the worker refused it

    @property
    def waits(self) -> bool:
        return not self.holds and not self.refusal

    @property
    def answers(self) -> bool:
        """Return whether it answers a run that waits."""
        return self.decision in (RunDecision.GO_ON, RunDecision.LONGER)

    @property
    def promise(self) -> str:
        """Return what follows the signature, until the worker has verified it."""
        return str(SIGNED.get(self.decision, ""))


@dataclass(frozen=True)
class RunPage:
    """The current state of the run, for one person."""

    proposal_id: UUID
    state: str
    title_untrusted: str  # what the plan does, in a few words
    incident_id: UUID
    incident_title_untrusted: str
    environment: str
    live: bool
    begun: bool
    outcome: OutcomeCard
    next_steps: tuple[NextStep, ...]
    # What the steps left open by server and session, and what was seen that they do not stop.
    open_untrusted: tuple[str, ...]
    alive: tuple[LimitRow, ...]
    steps: tuple[RunStep, ...]
    tally: str
    run_by: datetime | None  # when an approved proposal expires
    approvals: tuple[tuple[str, str], ...]  # person and slot
    started: datetime | None
    ended: datetime | None
    holder: str
    leases: tuple[LeaseRow, ...]
    halts: tuple[HaltCard, ...]
    # What an undo would take back, in this order; the signed statement has the same steps.
    undo: Undoing
    halt_parts: HaltParts
    next_step: int  # the number of the step that a halt would prevent; 0: none is left
    may_halt: bool
    can_undo: bool  # an undo of the running run would have an effect
    ways: Ways
    settled: bool  # a person settled this stopped run by hand
    version: str
    # The proposal that replaced this one, before it could run.
    successor: UUID | None = None
    # What it waits for now, and where the plan waits.
    wait: WaitCard | None = None
    # What a stopped run waited for when it stopped.
    waited: WaitCard | None = None
    flow: PlanFlow = field(default_factory=PlanFlow)

    @property
    def can_keep(self) -> bool:
        # A halt that is not verified yet does not remove the button: it may be forged.
        return self.may_halt and self.next_step > 0 and not self.halted

    @property
    def haltable(self) -> bool:
        return self.state == S.EXECUTING and self._haltable

    @property
    def _haltable(self) -> bool:
        return self.can_keep or (self.may_halt and self.can_undo and not self.is_undone)

    @property
    def halted(self) -> bool:
        return any(halt.holds and halt.decision in HALTS for halt in self.halts)

    @property
    def is_undone(self) -> bool:
        """Return whether a verified signature asks for undoing."""
        return any(halt.holds and halt.decision in ("undo", "halt") for halt in self.halts)

    @property
    def halt_key(self) -> str:
        """Return which box is shown; the page replaces it when the key changes."""
        if self.wait is not None:
            # It stays in place while the run waits for the same, so that no typed word is lost.
            return f"wait{self.wait.step}{self.wait.may_answer:d}{self.halted:d}"
        if self.haltable:
            return "form" if self.can_keep else "undo"
        if self.state in (S.STOPPED, S.UNKNOWN):
            # The form stays in place while somebody else signs: only verified statements count.
            valid = sum(halt.holds for halt in self.halts)
            return f"{self.state}{valid}"
        if self.state != S.EXECUTING:
            return "none"
        return "halted" if self.halted else "late" if self.may_halt else "others"
