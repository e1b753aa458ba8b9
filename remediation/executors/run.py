"""Call executors; each call verifies again that it runs what was approved.

Services use no other way to an executor. Order of the calls for one step, each recorded by
services before and after:
`run_observe` → (gate → clearance) → `run_prepare` → `run_apply` → `run_verify` → (`run_rollback`).
Between two steps a run may wait: `run_look_for`.

`made` is what the run's steps made so far, by step: references in a step's parameters are resolved
with it, and a step that is verified or rolled back gets its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.conditions import Sighting
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput, Digest, Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, load, resolved
from remediation.domain.waits import Made
from remediation.executors.base import (
    Candidate,
    Compared,
    Deadline,
    Executor,
    Outcome,
    Question,
    Snapshot,
)
from remediation.executors.errors import (
    ClearanceRefused,
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.registry import EXECUTORS
from remediation.executors.secret import sealed
from remediation.executors.targets import Targets

NOTHING: Made = MappingProxyType({})


def executor_of(step: Step) -> Executor:
    """Return the executor of a step's action."""
    return EXECUTORS[step.action]()


def run_observe(step: Step, targets: Targets) -> Observation:
    """Read a step's target without a clearance. Raises TargetUnobservable."""
    with _unforeseen_is(TargetUnobservable):
        return executor_of(step).observe(step, targets)


def run_live(step: Step, targets: Targets) -> Observation:
    """Read a step's target for people who look now. Raises TargetUnobservable."""
    with _unforeseen_is(TargetUnobservable):
        return executor_of(step).live(step, targets)


def run_traces(step: Step, targets: Targets) -> Mapping[str, Json]:
    """Read what a step is about to end or destroy. Raises TargetUnobservable."""
    with _unforeseen_is(TargetUnobservable):
        return executor_of(step).traces(step, targets)


def run_secret_in_force(step: Step, targets: Targets, candidates: Sequence[Candidate]) -> Compared:
    """Return which candidates are the secret in force. Raises TargetUnobservable.

    The words of an unexpected error could quote a candidate, so only its class is told.
    """
    try:
        found = executor_of(step).secret_in_force(step, targets, candidates)
    except TargetUnobservable:
        raise
    except Exception as error:
        raise TargetUnobservable(type(error).__name__) from None
    if len(found.answers) != len(candidates):
        raise TargetUnobservable("the executor did not answer for each secret")
    return found


def run_look_for(
    question: Question, step: Step, targets: Targets, made: Made = NOTHING
) -> Sighting:
    """Look for a condition at the target of an applied step, without a clearance.

    Raises TargetUnobservable, also when a reference of the step cannot be resolved.
    """
    with _unforeseen_is(TargetUnobservable):
        try:
            return executor_of(step).look_for(question, resolved(step, made), targets)
        except BadInput as error:
            raise TargetUnobservable(str(error)) from error


def would_refuse(step: Step, observation: Observation, earlier: Sequence[Step] = ()) -> str:
    """Return why the step's precheck would refuse; "" if it would not.

    In: the target as the step would meet it, and the steps of the plan before it. Pure and without
    a clearance, because reviewers see the result before they decide.
    """
    try:
        executor_of(step).dry_precheck(step, observation, earlier)
    except NotApplied as refusal:
        return str(refusal)
    return ""


def run_prepare(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    observation: Observation,
    made: Made = NOTHING,
) -> Snapshot:
    """Run the precheck on the gate's observation, and return the snapshot for a rollback.

    Makes no call to a target. Services record the snapshot with `intended`, so that it exists
    whatever happens next. Raises NotApplied, and Digest or ClearanceRefused as `run_apply` does.
    """
    step = _cleared(clearance, plan_body, step_index, targets, made)
    executor = executor_of(step)
    executor.precheck(step, observation)
    return executor.snapshot(observation)


def run_apply(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    snapshot: Snapshot | None = None,
    made: Made = NOTHING,
) -> Outcome:
    """Carry out a step; with the snapshot of `run_prepare`, on exactly the object that it shows.

    Takes the clearance for this step and the exact bytes of the approved plan. Raises Digest if
    the bytes are not the approved ones, ClearanceRefused if the clearance is for another step or
    has ended (in both cases without a call to the target); NotApplied, PartlyApplied or
    OutcomeUnknown otherwise.
    """
    step = _cleared(clearance, plan_body, step_index, targets, made)
    executor = executor_of(step)
    executor.expected = snapshot
    return _sealed(
        step, OutcomeUnknown, lambda: executor.apply(clearance, step, targets, _deadline(step))
    )


def run_tighten(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    made: Made = NOTHING,
) -> Outcome:
    """Try again what a step left open, or settle what its open call left staged.

    It can only take access away, and it makes nothing: the only call that takes a clearance of
    `gate.verify_settling`. Raises StepFailed, and Digest or ClearanceRefused as `run_apply` does.
    """
    step = _cleared(clearance, plan_body, step_index, targets, made, settling=True)
    executor = executor_of(step)
    return _sealed(
        step, OutcomeUnknown, lambda: executor.tighten(clearance, step, targets, _deadline(step))
    )


def run_verify(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    snapshot: Snapshot | None = None,
    made: Made = NOTHING,
) -> Outcome:
    """Verify the effect of a step with read-only credentials. Raises VerifyFailed.

    The clearance may have ended since the step began.
    """
    step = _cleared(clearance, plan_body, step_index, targets, made, reading=True)
    executor = executor_of(step)
    executor.expected, executor.made = snapshot, made.get(step_index, {})
    return _sealed(
        step, VerifyFailed, lambda: executor.verify(clearance, step, targets, _deadline(step))
    )


def run_rollback(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    snapshot: Snapshot,
    made: Made = NOTHING,
) -> Outcome:
    """Restore the snapshot of `run_prepare`; needs a clearance of `gate.verify_rollback`.

    Raises RollbackFailed, and Digest or ClearanceRefused as `run_apply` does.
    """
    step = _cleared(clearance, plan_body, step_index, targets, made, rollback=True)
    executor = executor_of(step)
    executor.made = made.get(step_index, {})
    return _sealed(
        step,
        RollbackFailed,
        lambda: executor.rollback(clearance, step, targets, snapshot, _deadline(step)),
    )


def _cleared(
    clearance: Clearance,
    plan_body: bytes,
    step_index: int,
    targets: Targets,
    made: Made,
    *,
    rollback: bool = False,
    reading: bool = False,
    settling: bool = False,
) -> Step:
    """Return the step that this clearance is for, parsed from the approved bytes, with the values
    that earlier steps made.

    `reading`: the call changes nothing, so an ended clearance is accepted.
    """
    if type(clearance) is not Clearance:
        raise ClearanceRefused("no clearance")
    if digest(Kind.PLAN, plan_body) != clearance.plan_digest:
        raise Digest("the bytes to run are not those that were approved")
    if step_index != clearance.step:
        raise ClearanceRefused(f"for step {clearance.step}, not for step {step_index}")
    if not reading:
        _refuse_other_use(clearance, rollback, settling)
    try:
        plan = load(plan_body, protected=targets.protected_clusters, allow_test=targets.allows_test)
        return resolved(plan.steps[step_index], made)
    except (BadInput, IndexError) as error:
        raise Digest(f"the approved bytes are not a plan that can run here: {error}") from error


def _refuse_other_use(clearance: Clearance, rollback: bool, settling: bool) -> None:
    if clearance.settles and not settling:
        raise ClearanceRefused("it is to settle a step")
    if clearance.rollback is not rollback:
        raise ClearanceRefused(
            "it is to roll back a step" if clearance.rollback else "it is to apply one"
        )
    if time.monotonic() >= clearance.ends:
        raise ClearanceRefused("it has ended")


def _sealed(step: Step, refusal: type[Refused], call: Callable[[], Outcome]) -> Outcome:
    """Carry out a call that holds credentials and may make one: none leaves it.

    An unexpected error becomes this refusal; after a change the target must then be read.
    """
    return sealed(call, refusal, words=not step.spec.delivers)


@contextmanager
def _unforeseen_is(refusal: type[Refused]) -> Iterator[None]:
    """Turn an unexpected error into this refusal; after a change the target must then be read."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise refusal(f"{type(error).__name__}: {error}"[:300]) from error


def _deadline(step: Step) -> Deadline:
    return Deadline.within(step.spec.hard_timeout_s)
