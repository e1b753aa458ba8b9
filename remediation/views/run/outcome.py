"""The outcome of a run in words: a headline, why, and what to do next, true in each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext, ngettext_lazy

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain import headline
from remediation.domain.outcome import Outcome
from remediation.domain.plan import Plan
from remediation.domain.states import ProposalState
from remediation.services.outbox.not_started import Late
from remediation.views.cards.proposal import describe_late
from remediation.views.run.page import OutcomeCard, RunStep
from remediation.views.run.waiting import WaitCard

S = ProposalState
# Tone and icon of the outcome, by state. Stopped and rolled back ask a person to look.
LOOKS = {
    S.SUCCEEDED: ("ok", "check"),
    S.FAILED: ("bad", "cross"),
    S.STOPPED: ("warn", "stop"),
    S.ROLLED_BACK: ("warn", "undo"),
    S.UNKNOWN: ("bad", "warn"),
    S.REFUSED: ("bad", "lock"),
    S.EXPIRED: ("warn", "clock"),
    S.APPROVED: ("accent", "clock"),
    S.EXECUTING: ("accent", "play"),
    S.WAITING: ("accent", "clock"),
}
OPERATOR = gettext_lazy("Tell an operator: this does not pass by itself.")
# Why an approved proposal has not started: what it waits for, and what ends the wait.
WAITS = {
    "frozen": (
        gettext_lazy("Waiting: execution is frozen"),
        gettext_lazy("It starts by itself when an operator lifts the freeze."),
    ),
    "target_unobservable": (
        gettext_lazy("Waiting: the worker cannot read the target"),
        gettext_lazy("It tries again by itself. Check that the target can be reached."),
    ),
    "target_busy": (
        gettext_lazy("Waiting: another run is changing the target"),
        gettext_lazy("It starts by itself when that run has ended."),
    ),
    "hold_missing": (
        gettext_lazy("Waiting: what it waits for after an earlier step was not seen"),
        gettext_lazy("It goes on by itself when it is seen, or when a person says so."),
    ),
    "not_served": (
        gettext_lazy("Waiting: no worker of its environment has taken it"),
        OPERATOR,
    ),
    "audit_unavailable": (
        gettext_lazy("Waiting: the audit log has not sealed the approval yet"),
        gettext_lazy("That takes some seconds. If it lasts, tell an operator."),
    ),
    "policy_unavailable": (
        gettext_lazy("Waiting: the worker cannot read the policy or the approvers file"),
        OPERATOR,
    ),
    "clock_skew": (
        gettext_lazy("Waiting: the clocks of worker and database differ"),
        OPERATOR,
    ),
}
NOT_RUN = {
    S.SUBMITTED: gettext_lazy("Not started: the worker has not assessed it yet"),
    S.IN_REVIEW: gettext_lazy("Not started: it is in review"),
    S.REJECTED: gettext_lazy("Rejected. Nothing was run."),
    S.RETURNED: gettext_lazy("Returned. Nothing was run."),
    S.WITHDRAWN: gettext_lazy("Withdrawn. Nothing was run."),
    S.SUPERSEDED: gettext_lazy("Replaced by a newer version. Nothing was run."),
    S.EXPIRED: gettext_lazy("Expired. Nothing was run."),
    S.REFUSED: gettext_lazy("Refused. Nothing was run."),
}
# What became of some steps, by their numbers.
STAY = ngettext_lazy("Step %(list)s stays applied.", "Steps %(list)s stay applied.", "count")
UNSURE = ngettext_lazy(
    "Step %(list)s was applied, but not confirmed.",
    "Steps %(list)s were applied, but not confirmed.",
    "count",
)
NOT_UNDONE = ngettext_lazy(
    "Step %(list)s is not undone.", "Steps %(list)s are not undone.", "count"
)
UNDONE = ngettext_lazy("Step %(list)s is undone.", "Steps %(list)s are undone.", "count")


@dataclass(frozen=True)
class Ended:
    """The newest move: where it came from, when, and its reason in words."""

    source: str = ""
    at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """What the headline is made of."""

    state: str
    plan: Plan | None
    steps: tuple[RunStep, ...]
    moved: Ended
    waiting_for: str = ""
    late: Late | None = None
    halted: bool = False
    undoing: bool = False
    settled: bool = False
    ended_sessions: int = 0
    wait: WaitCard | None = None

    @property
    def total(self) -> int:
        return len(self.steps)

    def having(self, *outcomes: Outcome) -> list[int]:
        """Return the numbers of the steps with one of these outcomes."""
        return [step.number for step in self.steps if step.outcome in outcomes]


def outcome(run: Standing) -> OutcomeCard:
    """Return the headline of the run, and why it stands so."""
    state = S(run.state)
    tone, icon = LOOKS.get(state, ("muted", "circle"))
    titles = {
        S.APPROVED: _waiting,
        S.EXECUTING: _running,
        S.WAITING: _between,
        S.SUCCEEDED: _succeeded,
        S.FAILED: _failed,
        S.STOPPED: _stopped,
        S.ROLLED_BACK: _rolled_back,
        S.UNKNOWN: _unknown,
    }
    title, *why = titles[state](run) if state in titles else _not_run(run, state)
    if run.wait is not None and run.wait.asks:
        tone = "warn"
    if state is S.STOPPED and run.settled:
        tone, icon = "muted", "check"
    done = ""
    if state is S.SUCCEEDED and run.plan is not None and run.total == 1:
        done = headline.done(run.plan.steps[0])
    return OutcomeCard(tone, icon, title, done, tuple(text for text in why if text))


def sessions_of(data: Mapping[str, Json]) -> int:
    """Return how many sessions a step's record says were closed."""
    count = data.get("sessions_ended")
    return count if type(count) is int and count > 0 else 0


def _waiting(run: Standing) -> tuple[str, ...]:
    if run.late is not None:
        then = WAITS[run.late.reason][1] if run.late.reason in WAITS else OPERATOR
        return describe_late(run.late), str(then)
    if not run.waiting_for:
        return gettext("Waiting for a worker"), gettext(
            "It has all its approvals. The run starts by itself, usually within seconds."
        )
    if run.waiting_for in WAITS:
        title, then = WAITS[run.waiting_for]
        return str(title), str(then)
    return gettext("Waiting for a worker"), vocabulary.word(run.waiting_for)


def _running(run: Standing) -> tuple[str, ...]:
    undone = run.having(Outcome.UNDONE)
    values: dict[str, object] = {"steps": run.total, "undone": len(undone)}
    if run.having(Outcome.UNDOING, Outcome.UNDONE):
        return (gettext("Undoing what was applied, in reverse order"),)
    now = next((s for s in run.steps if s.outcome in (Outcome.INTENDED, Outcome.APPLIED)), None)
    if now is None:
        return (gettext("Between two steps"),)
    values["number"] = now.number
    if now.outcome == Outcome.APPLIED:
        title = gettext("Step %(number)d of %(steps)d: confirming at the target")
    else:
        title = gettext("Step %(number)d of %(steps)d is running")
    halt = (
        gettext("Halted: no further step starts, then what was applied is undone.")
        if run.undoing
        else gettext("Halted: no further step starts. What was applied stays.")
        if run.halted
        else ""
    )
    return title % values, halt


def _between(run: Standing) -> tuple[str, ...]:
    if run.undoing:
        return (gettext("Halted: what was applied is undone."),)
    if run.halted:
        return (gettext("Halted: no further step starts. What was applied stays."),)
    if run.wait is None:
        return (gettext("Waits between two steps"),)
    return run.wait.title, *run.wait.why


def _succeeded(run: Standing) -> tuple[str, ...]:
    closed = (
        ngettext(
            "%(number)d session was closed.", "%(number)d sessions were closed.", run.ended_sessions
        )
        % {"number": run.ended_sessions}
        if run.ended_sessions
        else ""
    )
    if run.plan is None:
        done = gettext("Every step is done and confirmed.")
    elif run.total == 1:
        done = ""  # the catalogue says what is so
    else:
        done = gettext("All %(steps)d steps are done and confirmed.") % {"steps": run.total}
    return (" ".join(filter(None, (done, closed))),)


def _failed(run: Standing) -> tuple[str, ...]:
    why = [run.moved.reason, *_details(run)]
    if run.having(Outcome.UNKNOWN, Outcome.INTENDED):
        # Two people said so; the worker did not see it.
        return gettext("Failed. People saw that nothing was changed."), *why
    if any(phase.phase == "applied" for step in run.steps for phase in step.phases):
        # Runs before there was `stopped`.
        return gettext("Failed. Part of it may still be applied: see each step."), *why
    return gettext("Failed. Nothing was changed."), *why


def _stopped(run: Standing) -> tuple[str, ...]:
    done = run.having(Outcome.VERIFIED)
    unsure = run.having(Outcome.APPLIED, Outcome.UNCONFIRMED, Outcome.UNKNOWN, Outcome.INTENDED)
    failed_undo = run.having(Outcome.UNDO_FAILED)
    why = [run.moved.reason, *_details(run)]
    values = {"steps": run.total, "last": max([*done, *unsure], default=0)}
    title = gettext("Stopped after step %(last)d of %(steps)d.") % values
    if not values["last"]:
        title = gettext("Stopped.")
    said = [
        _listed(done, STAY),
        _listed(unsure, UNSURE),
    ]
    if failed_undo:
        title = gettext("Stopped. The undo failed.")
        said = [_listed(failed_undo, NOT_UNDONE)]
    elif run.undoing:
        said.append(gettext("It is being undone."))
    else:
        why.append(gettext("What is applied stays; only people give access back."))
    if run.settled:
        said.append(gettext("Settled by hand."))
    return " ".join([title, *filter(None, said)]), *why


def _listed(numbers: list[int], sentence: Promise) -> str:
    if not numbers:
        return ""
    values = {"count": len(numbers), "list": ", ".join(str(number) for number in numbers)}
    return str(sentence % values)


def _rolled_back(run: Standing) -> tuple[str, ...]:
    back = _listed(run.having(Outcome.UNDONE), UNDONE)
    again = run.plan is not None and any(step.spec.removes_access for step in run.plan.steps)
    access = gettext("Access is back as it was before the run.") if again else ""
    return " ".join(filter(None, (gettext("Undone."), back, access))), run.moved.reason


def _unknown(run: Standing) -> tuple[str, ...]:
    values = {"number": next(iter(run.having(Outcome.UNKNOWN, Outcome.INTENDED)), 0)}
    title = (
        gettext("The outcome of step %(number)d is not known.") % values
        if values["number"]
        else gettext("The outcome is not known.")
    )
    return (
        title,
        gettext("The target did not answer. The step may have taken effect."),
        *_details(run),
    )


def _not_run(run: Standing, state: ProposalState) -> tuple[str, ...]:
    title = str(NOT_RUN[state])
    if state is S.EXPIRED:
        why = (
            gettext("It was approved, but it could not start in time.")
            if run.moved.source == S.APPROVED
            else gettext("Nobody decided in time. That is never an approval.")
        )
        return title, why
    if state is S.IN_REVIEW and run.moved.source == S.APPROVED:
        return gettext("Not started: it is in review again"), run.moved.reason
    return title, run.moved.reason


def _details(run: Standing) -> list[str]:
    """Return what the worker recorded of the step that ended the run."""
    last = next(
        (
            phase
            for step in reversed(run.steps)
            for phase in reversed(step.phases)
            if phase.phase in ("failed", "unknown", "unconfirmed", "undo_failed")
        ),
        None,
    )
    if last is None:
        return []
    same = last.reason == run.moved.reason
    return [text for text in ("" if same else last.reason, last.detail) if text]
