"""The only way to an executor: each call proves again that it runs what was approved.

Order of the calls for one step, each recorded by services before and after:
`run_observe` → (gate → clearance) → `run_prepare` → `run_apply` → `run_verify` → (`run_rollback`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput, Digest, Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, load
from remediation.executors.base import Deadline, Executor, Outcome, Snapshot
from remediation.executors.errors import (
    ClearanceRefused,
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.registry import EXECUTORS
from remediation.executors.targets import Targets


def executor_of(step: Step) -> Executor:
    """The executor of a step's action."""
    return EXECUTORS[step.action]()


def run_observe(step: Step, targets: Targets) -> Observation:
    """Read a step's target; changes nothing, needs no clearance. Raises TargetUnobservable."""
    with _unforeseen_is(TargetUnobservable):
        return executor_of(step).observe(step, targets)


def would_refuse(step: Step, observation: Observation) -> str:
    """Why the step's precheck refuses what was observed, "" when it does not. Pure, and asked
    without a clearance: reviewers see it before they decide."""
    try:
        executor_of(step).precheck(step, observation)
    except NotApplied as refusal:
        return str(refusal)
    return ""


def run_prepare(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    observation: Observation,
) -> Snapshot:
    """Judge the target as the gate saw it, and say what a rollback will need.

    Calls nothing outside. Services record the snapshot with `intended`, so that it is there
    whatever happens next. Raises NotApplied, or as `run_apply`.
    """
    step = _cleared(clearance, plan_body, step_index, targets)
    executor = executor_of(step)
    executor.precheck(step, observation)
    return executor.snapshot(observation)


def run_apply(clearance: Clearance, plan_body: bytes, step_index: int, targets: Targets) -> Outcome:
    """Have the effect.

    In: the clearance for this step, the very bytes of the approved plan, the step's index.
    Raises Digest when the bytes are not those that were approved, ClearanceRefused when the
    clearance is for another step or has ended (the target has seen no call in either case);
    NotApplied, PartlyApplied or OutcomeUnknown as they say.
    """
    step = _cleared(clearance, plan_body, step_index, targets)
    with _unforeseen_is(OutcomeUnknown):
        return executor_of(step).apply(clearance, step, targets, _deadline(step))


def run_verify(
    clearance: Clearance, plan_body: bytes, step_index: int, targets: Targets
) -> Outcome:
    """Read whether the effect is there, with read-only credentials. Raises VerifyFailed.

    The clearance may have ended meanwhile: what it allowed has begun.
    """
    step = _cleared(clearance, plan_body, step_index, targets, reading=True)
    with _unforeseen_is(VerifyFailed):
        return executor_of(step).verify(clearance, step, targets, _deadline(step))


def run_rollback(
    clearance: Clearance, plan_body: bytes, step_index: int, targets: Targets, snapshot: Snapshot
) -> Outcome:
    """Restore what `run_prepare` found; needs a clearance to undo (`gate.verify_rollback`).

    Raises RollbackFailed, or as `run_apply`.
    """
    step = _cleared(clearance, plan_body, step_index, targets, undo=True)
    with _unforeseen_is(RollbackFailed):
        return executor_of(step).rollback(clearance, step, targets, snapshot, _deadline(step))


def _cleared(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    *,
    undo: bool = False,
    reading: bool = False,
) -> Step:
    """The step that this clearance is for, read from the bytes that it is for.

    `reading`: the call changes nothing, so that a clearance which has ended will do.
    """
    if type(clearance) is not Clearance:
        raise ClearanceRefused("no clearance")
    if digest(Kind.PLAN, plan_body) != clearance.plan_digest:
        raise Digest("the bytes to run are not those that were approved")
    if step_index != clearance.step:
        raise ClearanceRefused(f"for step {clearance.step}, not for step {step_index}")
    if not reading:
        _refuse_other_use(clearance, undo)
    try:
        plan = load(plan_body, protected=targets.protected_clusters, allow_test=targets.allows_test)
        return plan.steps[step_index]
    except (BadInput, IndexError) as error:
        raise Digest(f"the approved bytes are not a plan that can run here: {error}") from error


def _refuse_other_use(clearance: Clearance, undo: bool) -> None:
    if clearance.undo is not undo:
        raise ClearanceRefused("it is to undo a step" if clearance.undo else "it is to apply one")
    if time.monotonic() >= clearance.ends:
        raise ClearanceRefused("it has ended")


@contextmanager
def _unforeseen_is(refusal: type[Refused]) -> Iterator[None]:
    """Name what no executor foresaw; for a change that means: the target has to be read."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise refusal(f"{type(error).__name__}: {error}"[:300]) from error


def _deadline(step: Step) -> Deadline:
    return Deadline.within(step.spec.hard_timeout_s)
