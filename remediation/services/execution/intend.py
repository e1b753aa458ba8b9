"""Begin a later step of a run: the gate again, then `intended` on record, unless a halt came.

A run that waited goes on by the same way, with the evidence of the whole gate on record.
"""

from __future__ import annotations

from contextlib import nullcontext

from django.db import transaction

from remediation.domain.errors import GateRefused, Halted, Next, Refused
from remediation.domain.events import Event
from remediation.domain.gate.evidence import Evidence
from remediation.domain.halt.statement import RunDecision
from remediation.domain.states import ProposalState
from remediation.executors.errors import ClearanceRefused
from remediation.models import Resumption
from remediation.services import transition
from remediation.services.execution import (
    clear_step,
    gate_refusal,
    judge_halt,
    record_step,
    waits,
)
from remediation.services.execution import run as runs
from remediation.services.execution.rollback import roll_back
from remediation.services.execution.run import Run
from remediation.services.guards import translated


def intend(run: Run, index: int) -> bool:
    """Gate a later step and record `intended`.

    A refusal or a valid halt ends the run and returns False. What was applied stays, unless the
    halt asks for undoing. A run that waits goes on waiting after a refusal that can pass.
    """
    try:
        judge_halt.refuse_if_halted(run)
        evidence = clear_step.clear(run, index)
        run.leases.ensure(run.plan.steps[index].spec.hard_timeout_s)
        record_intended(run, index, evidence)
    except Refused as error:
        refuse(run, error)
        return False
    return True


def refuse(run: Run, error: Refused) -> None:
    """End a run that may not go on, or let it wait on if the refusal can pass."""
    if run.proposal.state == ProposalState.WAITING and _can_pass(error):
        run.leases.release()
        gate_refusal.record_new(run.proposal, error, actor=run.actor)
        return
    gate_refusal.record(run.proposal, error, actor=run.actor)
    if isinstance(error, Halted) and error.decision == RunDecision.UNDO:
        roll_back(run, error.name)
    else:
        runs.end(run, error.name)


def _can_pass(error: Refused) -> bool:
    if isinstance(error, GateRefused):
        return error.next is Next.RETRY
    # The worker paused between observing and judging: the observation is too old.
    return isinstance(error, ClearanceRefused)


def record_intended(run: Run, index: int, evidence: Evidence) -> None:
    """Record `intended` for a later step, unless a halt arrived meanwhile. Raises Refused.

    A run that waited goes on in the same transaction, with the gate's evidence on record: a crash
    before it leaves the run waiting, one after it a step without a result.

    One transaction under the proposal's lock: a halt after it is too late for this step. The
    verdict on a halt is committed even when the step is refused for another reason.
    """
    assert run.execution is not None
    refusal: Refused | None
    with transaction.atomic():
        halted = judge_halt.judge(run)
        refusal = halted.refusal() if halted is not None else None
        if refusal is None:
            try:
                waiting = run.proposal.state == ProposalState.WAITING
                with transaction.atomic() if waiting else nullcontext():
                    _resume(run, index, evidence)
                    record_step.record(
                        run.actor,
                        run.execution,
                        index,
                        "intended",
                        run.token(index),
                        run.start(index),
                    )
            except Refused as error:
                refusal = error
    if refusal is not None:
        raise refusal
    if run.proposal.state == ProposalState.WAITING:
        run.proposal.state = ProposalState.EXECUTING


def record_resumption(run: Run, index: int, evidence: Evidence) -> None:
    """Record the evidence by which a run leaves its newest wait, in the caller's transaction."""
    entry, seen = clear_step.record(run, index, evidence)
    wait = waits.newest(run.proposal)
    assert wait is not None  # a run waits with a wait
    with translated():
        Resumption.objects.create(wait=wait, holder=run.leases.holder, evidence=seen, entry=entry)


def _resume(run: Run, index: int, evidence: Evidence) -> None:
    """Let a run that waits go on, in the caller's transaction; nothing for any other."""
    if run.proposal.state != ProposalState.WAITING:
        return
    record_resumption(run, index, evidence)
    transition.move(
        actor=run.actor,
        event=Event.WORKER_PROPOSAL_EXECUTING,
        proposal_id=run.proposal.pk,
        source=ProposalState.WAITING,
        target=ProposalState.EXECUTING,
    )
