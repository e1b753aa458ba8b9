"""Settle runs that no worker holds any more, by reading the target, never by a retry.

Their worker died, lost its lease or got no answer. The reconciler takes the leases only after all
of them have run out; then no call can still be in flight (see lease.py), and it reads the target.
"""

from __future__ import annotations

import logging
from uuid import UUID

from remediation.domain.errors import Refused, TargetBusy
from remediation.domain.states import ProposalState
from remediation.executors.base import Settled
from remediation.executors.run import executor_of
from remediation.models import Execution, Proposal
from remediation.services.actors import Actor
from remediation.services.assessment.observe import Seen, observe
from remediation.services.execution import (
    execute,
    judge_halt,
    lease,
    record_step,
    settle_by_hand,
)
from remediation.services.execution import run as runs
from remediation.services.execution.rollback import roll_back
from remediation.services.execution.run import Run
from remediation.services.load_plan import load_plan

logger = logging.getLogger(__name__)

Phases = dict[int, dict[str, dict[str, object]]]
# A step that failed with one of these has changed its target, so it is rolled back too.
CHANGED = ("partly_applied", "verify_failed")


def reconcile(*, actor: Actor) -> int:
    """Settle every run that no worker holds; return how many were processed."""
    open_runs = Proposal.objects.filter(
        state__in=[ProposalState.EXECUTING, ProposalState.UNKNOWN], execution__isnull=False
    ).values_list("pk", flat=True)
    settled = 0
    for proposal_id in list(open_runs):
        try:
            settled += settle(proposal_id, actor=actor)
        except Refused as error:
            logger.warning("%s is not settled yet: %s", proposal_id, error)
    return settled


def reconcile_one(proposal_id: UUID, *, actor: Actor) -> bool:
    """Settle one run about which a person signed; a refusal is logged, and tried again later."""
    try:
        return settle(proposal_id, actor=actor)
    except Refused as error:
        logger.warning("%s is not settled yet: %s", proposal_id, error)
        return False


def settle(proposal_id: UUID, *, actor: Actor) -> bool:
    """Settle one run; return False when its leases are still held or it has ended."""
    if settle_by_hand.settle(proposal_id, actor=actor):
        return True
    execution = Execution.objects.select_related("proposal__incident", "proposal__diagnosis").get(
        proposal_id=proposal_id
    )
    proposal = execution.proposal
    plan = load_plan(bytes(proposal.plan))
    try:
        held = lease.claim([t.locator for t in plan.targets], worker=actor.ref)
    except TargetBusy:
        return False
    # Read again under the lease: the worker may have finished meanwhile.
    proposal.refresh_from_db(fields=["state", "round"])
    if proposal.state not in (ProposalState.EXECUTING, ProposalState.UNKNOWN):
        held.release()
        return False
    run = Run(actor, proposal, plan, held, execution=execution)
    phases = _phases(execution)
    _load(run, phases)
    _settle(run, phases)
    return True


def _phases(execution: Execution) -> Phases:
    found: Phases = {}
    for row in execution.steps.order_by("id"):
        found.setdefault(row.step, {})[row.phase] = row.data
    return found


def _load(run: Run, phases: Phases) -> None:
    """Load the applied steps and the rollback's snapshots from the record."""
    for index in range(len(run.plan.steps)):
        done = phases.get(index, {})
        if "intended" in done:
            run.snapshots[index] = done["intended"]["snapshot"]  # type: ignore[assignment]
        failed = done.get("failed", {}).get("refusal")
        if "verified" in done or failed in CHANGED or ("applied" in done and not failed):
            run.applied.append(index)


def _settle(run: Run, phases: Phases) -> None:
    index = next(
        (i for i in range(len(run.plan.steps)) if "verified" not in phases.get(i, {})), None
    )
    if index is None and not any("undo_intended" in done for done in phases.values()):
        runs.conclude(run, ProposalState.SUCCEEDED, "settled")
        return
    done = phases.get(index, {}) if index is not None else {}
    undoing = any("undo_intended" in found for found in phases.values())
    if undoing or "failed" in done:
        _roll_back(run, phases, "settled")
    elif index is not None and "intended" not in done:
        _not_started(run, phases, index)
    elif index is not None:
        _read(run, phases, index)


def _not_started(run: Run, phases: Phases, index: int) -> None:
    """Continue a run whose worker died between two steps; the next step was never begun."""
    if run.proposal.state == ProposalState.EXECUTING:
        execute.finish(run, start=index)
    else:
        _roll_back(run, phases, "settled")


def _read(run: Run, phases: Phases, index: int) -> None:
    """Settle a step that began and has no result, by reading its target."""
    assert run.execution is not None
    step = run.plan.steps[index]
    seen = observe([step])
    observation = seen.observations[step.target.locator]
    verdict = executor_of(step).settled(observation) if observation is not None else None
    if verdict is None:
        _still_unknown(run, seen)
        return
    token, data = run.token(index), {"settled": str(verdict)}
    if verdict is Settled.NOT_APPLIED:
        record_step.record(
            run.actor, run.execution, index, "failed", token, {**data, "refusal": "not_applied"}
        )
        if index in run.applied:
            run.applied.remove(index)
        _roll_back(run, phases, "not_applied")
        return
    if "applied" not in phases.get(index, {}):
        record_step.record(run.actor, run.execution, index, "applied", token, dict(data))
        run.applied.append(index)
    record_step.record(run.actor, run.execution, index, "verified", token, dict(data))
    _settle(run, _phases(run.execution))


def _still_unknown(run: Run, seen: Seen) -> None:
    if run.proposal.state == ProposalState.EXECUTING:
        runs.conclude(run, ProposalState.UNKNOWN, "outcome_unknown")
    run.leases.release()
    logger.warning("%s stays unknown: %s", run.proposal.pk, dict(seen.failures))


def _roll_back(run: Run, phases: Phases, reason: str) -> None:
    """Roll back the applied steps that are not rolled back yet.

    A rollback that failed is never tried again: people must look at the target. If a person halted
    the run, it ends with the reason `halted`.
    """
    failed = any("failed" in done for done in phases.values())
    if not failed and judge_halt.judge(run) is not None:
        reason = "halted"
    run.applied = [i for i in run.applied if "undone" not in phases.get(i, {})]
    begun = {i for i, done in phases.items() if "undo_intended" in done}
    lost = {i for i, done in phases.items() if "undo_failed" in done}
    roll_back(run, reason, begun=begun, lost=lost)
