"""Roll back a run because a person signed for it: nothing else gives access back (promise 11).

Each step is first compared with what the run left at its target. A target that somebody changed
since is not touched. A rollback that a dead worker began is never repeated, for nobody can tell
whether what the target shows now is that worker's or a person's doing.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from audit.tlog.canonical import encode
from remediation.domain.errors import GateRefused, Next, Refused, TargetUnobservable
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import resolved
from remediation.domain.states import ProposalState
from remediation.executors.base import Outcome
from remediation.executors.errors import NotApplied, RollbackFailed
from remediation.executors.run import executor_of, run_rollback
from remediation.models import Halt, StepRecord
from remediation.services import host_files
from remediation.services.assessment.observe import Seen, observe
from remediation.services.clock import database_now
from remediation.services.execution import judge_halt, record_step
from remediation.services.execution import run as runs
from remediation.services.execution.late_result import record_result
from remediation.services.execution.run import Run, mark

logger = logging.getLogger(__name__)

# How long to wait for a target that cannot be read before the rollback of its step is given up.
PATIENCE = timedelta(minutes=15)


class NotAsLeft(Refused):
    """The target is not as this step left it, so nothing was restored."""


class Unsettled(Refused):
    """A rollback began, and the target does not show that it took effect, or cannot be read."""


def roll_back(run: Run, reason: str) -> None:
    """Roll back the applied steps, last first, regardless of the deadline or a freeze.

    Ends as `rolled_back` only when every applied step was restored, else as `stopped`. Raises a
    GateRefused that can pass; the reconciler then goes on after the lease.
    """
    assert run.execution is not None
    phases = _phases(run)
    for index in reversed(run.applied):
        if not {"undone", "undo_failed"} & phases.get(index, set()):
            _roll_back_step(run, index, begun="undo_intended" in phases.get(index, set()))
    end_undoing(run, reason)


def end_undoing(run: Run, reason: str) -> None:
    """Conclude a run whose steps were undone, as far as that was possible."""
    phases = _phases(run)
    undone = all("undone" in phases[index] for index in run.applied)
    if undone and run.applied:
        runs.conclude(run, ProposalState.ROLLED_BACK, reason)
    else:
        runs.end(run, "rollback_failed" if run.applied else reason)


def settle_step(run: Run, index: int) -> None:
    """Settle a rollback that a dead worker began, by reading its target; it is never repeated."""
    _roll_back_step(run, index, begun=True)


def signed_undo(run: Run) -> datetime | None:
    """Return when the worker verified that a person signed to undo this run; None if nobody did."""
    signed = Halt.objects.filter(proposal=run.proposal, verdict__refusal="").exclude(
        decision__in=judge_halt.NO_UNDO
    )
    times = signed.order_by("verdict__recorded_at").values_list("verdict__recorded_at", flat=True)
    return times.first()


def _phases(run: Run) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    rows = StepRecord.objects.filter(execution=run.execution)
    for step, phase in rows.values_list("step", "phase"):
        found.setdefault(step, set()).add(phase)
    return found


def _roll_back_step(run: Run, index: int, *, begun: bool) -> None:
    assert run.execution is not None
    token = run.token(index)
    try:
        run.leases.ensure(run.plan.steps[index].spec.hard_timeout_s)
        observation = _observe(run, index)
        if begun:
            _require_restored(run, index, observation)
            record_step.record(
                run.actor, run.execution, index, "undone", token, {"settled": "restored"}
            )
            return
        _require_as_left(run, index, observation)
        clearance = _clear(run, index)
        record_step.record(run.actor, run.execution, index, "undo_intended", token, {})
        outcome = _call(run, index, clearance)
    except Refused as error:
        if isinstance(error, GateRefused) and error.next is Next.RETRY:
            raise
        logger.error("rollback of step %s of %s failed: %s", index, run.proposal.pk, error)
        mark(run, index, "undo_failed", error)
        return
    record_result(run, index, "undone", dict(outcome.detail))


def _call(run: Run, index: int, clearance: Clearance) -> Outcome:
    """Restore the step's snapshot at the target.

    Raises RollbackFailed when the target refused, so nothing changed. Anything else leaves open
    whether access is back: then no result is recorded, and the reconciler reads the target.
    """
    snapshot = run.snapshots[index]
    try:
        return run_rollback(clearance, run.body, index, host_files.targets(), snapshot, run.made)
    except RollbackFailed as error:
        if isinstance(error.__cause__, NotApplied):
            raise
        raise TargetUnobservable(f"the rollback's outcome is not known: {error}") from error


def _observe(run: Run, index: int) -> Observation:
    """Read the target now. Raises TargetUnobservable, or when that lasts Unsettled."""
    step = run.plan.steps[index]
    seen = observe([step])
    observation = seen.observations[step.target.locator]
    if observation is None:
        _wait(run, f"the target cannot be read: {seen.failures[step.target.locator]}")
    assert observation is not None
    return observation


def _require_as_left(run: Run, index: int, observation: Observation) -> None:
    """Refuse to touch a target that is not as the step left it, or that is another run's by now.

    Within the declared propagation time a read may still show the state before the step, so the
    rollback waits. Raises NotAsLeft.
    """
    step = run.plan.steps[index]
    applied = StepRecord.objects.get(execution=run.execution, step=index, phase="applied")
    if _acted_on_since(applied, step.target.locator):
        raise NotAsLeft("another run has acted on the target since")
    resolved_ = resolved(step, run.made)
    left = executor_of(step).after(
        run.snapshots[index], resolved_.parameters, run.made.get(index, {})
    )
    if observation.exists and encode(dict(observation.state)) == encode(left):
        return
    if _may_spread(run, index):
        raise TargetUnobservable("the step's change may still be spreading")
    raise NotAsLeft(f"left {left}, found {dict(observation.state)}"[:500])


def _acted_on_since(applied: StepRecord, locator: str) -> bool:
    """Return whether another run began to act on the target since, even if it looks the same.

    What the target shows may be what that run's people approved, also when its outcome is unknown.
    """
    later = StepRecord.objects.filter(
        phase="intended",
        pk__gt=applied.pk,
        execution__proposal__targets__locator=locator,
        execution__proposal__targets__step=F("step"),
    )
    return later.exclude(execution=applied.execution).exists()


def _require_restored(run: Run, index: int, observation: Observation) -> None:
    """Refuse to repeat a rollback that a dead worker began. Raises Unsettled.

    While a change may still be spreading, a read may show the state before the step, which is what
    a rollback leaves, too: so nothing is concluded yet.
    """
    if _may_spread(run, index):
        raise TargetUnobservable("a change may still be spreading")
    earlier = dict(run.snapshots[index])
    if observation.exists and encode(dict(observation.state)) == encode(earlier):
        return
    raise Unsettled(f"the target shows {dict(observation.state)}"[:500])


def _may_spread(run: Run, index: int) -> bool:
    """Return whether the newest change of this step may not be readable everywhere yet."""
    rows = StepRecord.objects.filter(
        execution=run.execution, step=index, phase__in=("applied", "undo_intended")
    )
    newest = rows.order_by("-id")[0].recorded_at
    return database_now() < newest + timedelta(seconds=run.plan.steps[index].spec.propagation_s)


def _wait(run: Run, why: str) -> None:
    """Raise TargetUnobservable, so that the reconciler tries again; after PATIENCE give up."""
    asked = signed_undo(run)
    if asked is not None and database_now() - asked > PATIENCE:
        raise Unsettled(why)
    raise TargetUnobservable(why)


def _clear(run: Run, index: int) -> Clearance:
    """Return a clearance to roll back an applied step. Raises GateRefused.

    The gate verifies that the plan was approved, not that it is still in time.
    """
    evidence = replace(run.evidence(index, Seen({}, {})), applied=tuple(range(index + 1)))
    return gate.verify_rollback(
        evidence,
        approvers=host_files.approvers(),
        now=evidence.database_now,
        monotonic=time.monotonic(),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )
