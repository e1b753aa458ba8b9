"""Execute an approved proposal: claim → gather → gate → one transaction → call → result, per step.

Rows decide what runs; a message only wakes the worker. Each commit point below
says what a crash there leaves behind; `reconcile` repairs it by reading the target.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import transaction

from audit.tlog.canonical import Json
from remediation.domain.errors import (
    AuditUnavailable,
    BadInput,
    Conflict,
    Digest,
    Drift,
    GateRefused,
    Halted,
    Refused,
    TargetUnobservable,
)
from remediation.domain.events import Event
from remediation.domain.gate.evidence import Evidence
from remediation.domain.plan import Plan
from remediation.domain.states import ProposalState
from remediation.executors.errors import (
    ClearanceRefused,
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
)
from remediation.executors.run import run_apply
from remediation.models import Execution, Proposal
from remediation.services import host_files, transition
from remediation.services.actors import Actor
from remediation.services.execution import (
    begin_wait,
    clear_step,
    confirm,
    gate_refusal,
    intend,
    judge_halt,
    lease,
    record_step,
)
from remediation.services.execution import run as runs
from remediation.services.execution.confirm import Confirmed
from remediation.services.execution.late_result import record_result
from remediation.services.execution.rollback import roll_back
from remediation.services.execution.run import Run, failure
from remediation.services.guards import translated
from remediation.services.load_plan import load_plan

logger = logging.getLogger(__name__)


def execute(proposal_id: UUID, *, actor: Actor) -> None:
    """Run an approved proposal once, if the gate allows it.

    Does nothing for a proposal in any other state (A41). Refusals of the gate are handled by
    `gate_refusal`, not raised.
    """
    proposal = (
        Proposal.objects.select_related("diagnosis", "incident").filter(pk=proposal_id).first()
    )
    if proposal is None or proposal.state != ProposalState.APPROVED:
        logger.info("nothing to execute for %s", proposal_id)
        return
    held: lease.Leases | None = None
    try:
        plan = _plan(proposal)
        locators = [target.locator for target in plan.targets]
        held = lease.claim(locators, worker=actor.ref, proposal=proposal_id)
        run = Run(actor, proposal, plan, held)
        _begin(run)
    except GateRefused as refusal:
        if held is not None:
            held.release()
        gate_refusal.handle(proposal, refusal, actor=actor)
        return
    except Conflict as error:
        # Withdrawn, superseded or begun by another worker since it was read: nothing to do.
        if held is not None:
            held.release()
        logger.info("%s moved meanwhile: %s", proposal_id, error)
        return
    finish(run, start=0)


def finish(run: Run, *, start: int) -> None:
    """Run the steps from ``start`` on and move the proposal to its end state.

    An exception leaves the lease to run out; only then may `reconcile` read the target. A step that
    is not confirmed yet leaves the run to `reconcile`, too, and so does a run that waits.
    """
    for index in range(start, len(run.plan.steps)):
        if not _step(run, index) or begin_wait.begin(run, index):
            return
    succeed(run, "")


def succeed(run: Run, reason: str) -> None:
    """End a run whose steps are all confirmed, unless a person signed meanwhile to undo it.

    One transaction under the proposal's lock, which a halt takes too, so that one of the two is
    first.
    """
    judge_halt.judge_all(run)
    with transaction.atomic():
        judged = judge_halt.judge(run)
        if judged is None or not judged.undo:
            runs.conclude(run, ProposalState.SUCCEEDED, reason)
            return
    roll_back(run, Halted.name)


def _plan(proposal: Proposal) -> Plan:
    try:
        return load_plan(bytes(proposal.plan))
    except BadInput as error:
        raise Digest(f"the plan cannot be read: {error}") from error


def _begin(run: Run) -> None:
    """Gate the first step; then, in one transaction, move to `executing` and record `intended`.

    A crash before the commit leaves an approved proposal and a lease that runs out; the sweeper
    sends the message again. A crash after it leaves `intended` without a result; `reconcile` reads
    the target.
    """
    evidence = _clear_first(run)
    try:
        with transaction.atomic():
            entry, seen = clear_step.record(run, 0, evidence)
            with translated():
                run.execution = Execution.objects.create(
                    proposal=run.proposal,
                    tokens=dict(run.leases.tokens),
                    holder=run.leases.holder,
                    evidence=seen,
                    entry=entry,
                )
            transition.move(
                actor=run.actor,
                event=Event.WORKER_PROPOSAL_EXECUTING,
                proposal_id=run.proposal.pk,
                source=ProposalState.APPROVED,
                target=ProposalState.EXECUTING,
            )
            record_step.record(run.actor, run.execution, 0, "intended", run.token(0), run.start(0))
    except DatabaseError as error:
        raise AuditUnavailable(type(error).__name__) from error


def _clear_first(run: Run) -> Evidence:
    try:
        return clear_step.clear(run, 0)
    except NotApplied as error:
        # The executor refuses a target in this state: treat it as drift.
        raise Drift(error.detail) from error
    except ClearanceRefused as error:
        # The worker paused between observing and judging: the observation is too old.
        raise TargetUnobservable(f"the observation is too old: {error.detail}") from error


def _step(run: Run, index: int) -> bool:
    """Run one step; return False when the run ended with it, or waits to be confirmed."""
    assert run.execution is not None
    if index > 0 and not intend.intend(run, index):
        return False
    spec = run.plan.steps[index].spec
    try:
        # The call starts only while the lease outlives its hard timeout.
        run.leases.ensure(spec.hard_timeout_s)
        outcome = run_apply(
            run.clearances[index],
            run.body,
            index,
            host_files.targets(),
            run.snapshots.get(index),
            run.made,
        )
    except OutcomeUnknown as error:
        # The lease runs out, then `reconcile` reads the target.
        record_result(run, index, "unknown", failure(error))
        runs.conclude(run, ProposalState.UNKNOWN, error.name)
        return False
    except PartlyApplied as error:
        # The effect is in, but something goes on that it must end.
        data: dict[str, Json] = {"incomplete": error.detail[:500]}
        _made(run, index, data, error.made)
    except Refused as error:
        # Nothing was changed at this target; what earlier steps changed stays.
        record_result(run, index, "failed", failure(error))
        runs.end(run, error.name)
        return False
    else:
        data = dict(outcome.detail)
        _made(run, index, data, outcome.made)
    # A crash before this commit leaves `intended` without a result; `reconcile` reads the target.
    record_result(run, index, "applied", data)
    run.applied.append(index)
    return confirm.first_look(run, index) is Confirmed.SEEN


def _made(run: Run, index: int, data: dict[str, Json], made: Mapping[str, str]) -> None:
    """Keep what a step made, for later steps, and put it into the step's record."""
    if made:
        run.made[index] = made
        data["made"] = dict(made)
