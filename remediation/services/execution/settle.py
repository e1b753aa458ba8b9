"""Settle a call without a result by reading its target.

Nothing is tried again; what a delivery left staged is settled first (`settle_delivery`). A target
that cannot tell leaves the run unknown: it is read again with back-off, and two people may settle
it by hand (`settle_by_hand`).
"""

from __future__ import annotations

import logging
from datetime import timedelta

from audit.tlog.canonical import Json
from remediation.domain.states import ProposalState
from remediation.executors.base import Settled
from remediation.executors.run import executor_of
from remediation.models import StepRecord
from remediation.services.assessment.observe import Seen, observe
from remediation.services.clock import database_now
from remediation.services.execution import record_step
from remediation.services.execution import run as runs
from remediation.services.execution.phases import Phases, load
from remediation.services.execution.rollback import settle_step, signed_undo
from remediation.services.execution.run import Run
from remediation.services.execution.settle_delivery import settle_delivery
from remediation.services.outbox import pause

logger = logging.getLogger(__name__)

# Between two readings for an unknown run: a quarter of its age, within these bounds (seconds).
LEAST_PAUSE, MOST_PAUSE = 5.0, 600.0


def settle(run: Run, phases: Phases, index: int) -> bool:
    """Settle the open call of step ``index``; return whether the run can go on from there."""
    if "undo_intended" in phases[index]:
        if signed_undo(run):
            settle_step(run, index)
            return True
        # An older version undid by itself. What it restored is not repeated or recorded.
        runs.end(run, "settled")
        return False
    if run.proposal.state == ProposalState.UNKNOWN and not _due(run, index):
        run.leases.release()
        return False
    return _by_reading(run, index)


def _by_reading(run: Run, index: int) -> bool:
    assert run.execution is not None
    step = run.step(index)
    if not settle_delivery(run, index):
        _still_unknown(run, Seen({}, {}))
        return False
    seen = observe([step])
    observation = seen.observations[step.target.locator]
    verdict = run.settled(index, observation)
    if verdict is Settled.APPLIED and not executor_of(step).applied_by_reading:
        verdict = None
    open_ = executor_of(step).left_open(step, observation) if observation is not None else ()
    token, data = run.token(index), dict[str, Json](settled="read")
    if verdict is Settled.NOT_APPLIED and _may_spread(run, index):
        _still_unknown(run, seen)
        return False
    if verdict is Settled.NOT_APPLIED:
        record_step.record(
            run.actor, run.execution, index, "failed", token, {**data, "refusal": "not_applied"}
        )
        load(run)
        runs.end(run, "not_applied")
        return False
    if verdict is Settled.APPLIED or open_:
        if open_:
            data["incomplete"] = "; ".join(open_)[:500]
        # Without what it made, the step is not confirmed, and people must look.
        if made := run.made.get(index) or run.found_made(index, observation):
            data["made"] = dict(made)
        record_step.record(run.actor, run.execution, index, "applied", token, data)
        return True
    _still_unknown(run, seen)
    return False


def _may_spread(run: Run, index: int) -> bool:
    """Return whether a read may still show the state before the call."""
    begun = StepRecord.objects.get(execution=run.execution, step=index, phase="intended")
    spreads = timedelta(seconds=run.plan.steps[index].spec.propagation_s)
    return database_now() < begun.recorded_at + spreads


def _still_unknown(run: Run, seen: Seen) -> None:
    if run.proposal.state == ProposalState.EXECUTING:
        runs.conclude(run, ProposalState.UNKNOWN, "outcome_unknown")
    run.leases.release()
    logger.warning("%s stays unknown: %s", run.proposal.pk, dict(seen.failures))


def _due(run: Run, index: int) -> bool:
    """Return whether to read again: less often the longer the outcome is unknown."""
    begun = StepRecord.objects.get(execution=run.execution, step=index, phase="intended")
    age = (database_now() - begun.recorded_at).total_seconds()
    return pause.first(f"settle:{run.proposal.pk}", int(max(LEAST_PAUSE, min(MOST_PAUSE, age / 4))))
