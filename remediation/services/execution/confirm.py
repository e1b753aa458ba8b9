"""Confirm an applied step: it counts only when its effect was seen, everywhere it must be.

A change spreads, a session ends slowly, a read fails: none of that is a failure, and nothing is
undone for it. The step stays "applied, not yet confirmed", and the reconciler looks again with
back-off. What the action left open is tried again, which can only take access away. At the end of
the time the run stops. It keeps what was applied, and people are told which sessions are open.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import connection

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Settled
from remediation.executors.errors import VerifyFailed
from remediation.executors.run import executor_of, run_verify
from remediation.models import StepRecord
from remediation.services import host_files
from remediation.services.assessment.observe import observe
from remediation.services.clock import database_now
from remediation.services.execution import record_step
from remediation.services.execution import run as runs
from remediation.services.execution.run import Run
from remediation.services.execution.tighten import tighten

# How long a target that cannot be read keeps a step waiting, where nothing spreads for longer.
UNREAD = timedelta(seconds=30)
# Between two looks: a quarter of the step's age, within these bounds (seconds).
LEAST_PAUSE, MOST_PAUSE = 1.0, 30.0


class Confirmed(StrEnum):
    """What a look at an applied step came to."""

    SEEN = "seen"
    WAITING = "waiting"  # the run goes on, by the reconciler
    STOPPED = "stopped"


class _Look:
    """One look at the target of an applied step."""

    def __init__(self, run: Run, index: int, observation: Observation | None, why: str) -> None:
        self.observation, self.why = observation, why
        step = run.step(index)
        executor = executor_of(step)
        self.verdict = run.settled(index, observation)
        self.open = executor.left_open(step, observation) if observation else ()

    @property
    def confirms(self) -> bool:
        return self.verdict is Settled.APPLIED and not self.open

    @property
    def only_leaves_open(self) -> bool:
        """Return whether the effect is in, and something that it must end goes on."""
        return bool(self.open) and self.verdict is not Settled.NOT_APPLIED


def first_look(run: Run, index: int) -> Confirmed:
    """Look right after the call, with the executor's own short patience."""
    observation, made = None, None
    try:
        run.leases.ensure(run.plan.steps[index].spec.hard_timeout_s)
        outcome = run_verify(
            run.clearances[index],
            run.body,
            index,
            host_files.targets(),
            run.snapshots.get(index),
            run.made,
        )
        observation, made = outcome.observation, outcome.made
    except (VerifyFailed, TargetUnobservable):
        pass  # not seen yet; `look` says what that means
    return look(run, index, observation, made)


def look(
    run: Run,
    index: int,
    observation: Observation | None = None,
    made: Mapping[str, str] | None = None,
) -> Confirmed:
    """Look at an applied step; confirm it, wait, or stop the run.

    ``observation`` is one of this moment, if there is one, ``made`` what the step was seen to have
    made. A step that makes something is confirmed only when that is known. A crash before the
    commit of what is found leaves the step applied; the reconciler looks again.
    """
    assert run.execution is not None
    found = _look(run, index, observation)
    now = database_now()
    known = run.made.get(index) or made or run.found_made(index, found.observation)
    if found.confirms and known is not None:
        data = confirming(run.step(index), found.observation, now)
        if known and index not in run.made:
            run.made[index] = known
            data["made"] = dict(known)
        record_step.record(run.actor, run.execution, index, "verified", run.token(index), data)
        return Confirmed.SEEN
    applied = _applied(run, index)
    begun = applied.recorded_at
    if now >= _until(run, index, applied, found):
        _give_up(run, index, found, now)
        return Confirmed.STOPPED
    if found.only_leaves_open and not tighten(run, index):
        _give_up(run, index, found, now)
        return Confirmed.STOPPED
    run.leases.keep(max(LEAST_PAUSE, min(MOST_PAUSE, (now - begun).total_seconds() / 4)))
    return Confirmed.WAITING


def confirming(step: Step, observation: Observation | None, now: datetime) -> dict[str, Json]:
    """Return what the record of a confirmed step says: the state, and each place with its time."""
    assert observation is not None
    executor = executor_of(step)
    return {
        **executor.seen(observation),
        "points": [point.to_json() for point in executor.points(step, observation)],
        "at": instant.dump(now),
    }


def _look(run: Run, index: int, observation: Observation | None) -> _Look:
    if observation is not None:
        return _Look(run, index, observation, "")
    seen = observe([run.step(index)])
    locator = run.plan.steps[index].target.locator
    return _Look(run, index, seen.observations[locator], seen.failures.get(locator, ""))


def _until(run: Run, index: int, applied: StepRecord, found: _Look) -> datetime:
    """Return when to stop waiting for this step.

    What spreads has the declared time. What is only left open has until run-within, also while it
    cannot be read: a store that is away keeps a new credential from its consumers, and gets it when
    it is back. A target that shows something else after that time was changed by somebody: waiting
    would not help.
    """
    begun = applied.recorded_at
    spreads = timedelta(seconds=run.plan.steps[index].spec.propagation_s)
    unread = found.observation is None and "incomplete" in applied.data
    if found.only_leaves_open or unread:
        return max(begun + spreads, _run_within(run))
    if found.observation is None or not found.observation.exists:
        return begun + max(spreads, UNREAD)
    return begun + spreads


def _give_up(run: Run, index: int, found: _Look, now: datetime) -> None:
    """Record what is known and what is not, and stop the run, which keeps what was applied."""
    assert run.execution is not None
    data: dict[str, Json] = {
        "refusal": "not_confirmed",
        "detail": found.why[:500] or _state(found),
        "open": list(found.open),
        "at": instant.dump(now),
    }
    record_step.record(run.actor, run.execution, index, "unconfirmed", run.token(index), data)
    runs.end(run, "not_confirmed")


def _state(found: _Look) -> str:
    if found.observation is None or not found.observation.exists:
        return "the target does not exist"
    said = ", ".join(f"{name}: {value}" for name, value in found.observation.state.items())
    return f"the target shows {said}"[:500]


def _applied(run: Run, index: int) -> StepRecord:
    return StepRecord.objects.get(execution=run.execution, step=index, phase="applied")


def _run_within(run: Run) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.run_deadline_v1(%s)", [run.proposal.pk])
        at: datetime = cursor.fetchone()[0]
    return at
