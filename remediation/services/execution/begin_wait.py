"""Let a run wait after a verified step: for a condition at a target, for a person, or for both.

A run that waits is rows only: no worker, no credential, no lease. Its targets stay claimed for it
(the guard of leases), and `waiting` looks at it from time to time.
"""

from __future__ import annotations

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import waits
from remediation.domain.errors import Halted
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.models import Wait
from remediation.services import transition
from remediation.services.clock import database_now
from remediation.services.execution import gate_refusal, judge_halt
from remediation.services.execution import run as runs
from remediation.services.execution.rollback import roll_back
from remediation.services.execution.run import Run
from remediation.services.guards import translated
from remediation.services.outbox import notify_wait


def begin(run: Run, index: int) -> bool:
    """Let the run wait after this step if the plan or its ruling says so.

    Returns whether the run goes no further now: it waits, or a halt ended it. A crash before the
    commit leaves a verified step; the reconciler calls this again.
    """
    wait = run.waits.get(index)
    if wait is None or Wait.objects.filter(execution=run.execution, step=index).exists():
        return False
    with transaction.atomic():
        halted = judge_halt.judge(run)
        if halted is None:
            _record(run, index, wait)
    if halted is not None:
        gate_refusal.record(run.proposal, halted.refusal(), actor=run.actor)
        if halted.undo:
            roll_back(run, Halted.name)
        else:
            runs.end(run, Halted.name)
    return True


def _record(run: Run, index: int, wait: waits.Wait) -> None:
    """Record the wait, move the state, and let go of the leases, in one transaction."""
    assert run.execution is not None
    said: dict[str, Json] = {"step": index, **wait.to_json()}
    entry = log.append(
        action=Event.WORKER_WAIT_BEGUN,
        actor=run.actor.ref,
        object=f"proposal:{run.proposal.pk}",
        data=said,
    )
    with translated():
        made = Wait.objects.create(
            execution=run.execution,
            step=index,
            conditions=said["conditions"],
            person=wait.person,
            within_s=wait.within_s,
            deadline=database_now(),  # set by the guard
            entry=entry.id,
        )
    transition.move(
        actor=run.actor,
        event=Event.WORKER_PROPOSAL_WAITING,
        proposal_id=run.proposal.pk,
        source=ProposalState.EXECUTING,
        target=ProposalState.WAITING,
    )
    run.leases.release()
    if wait.person and not wait.conditions:
        notify_wait.asked(run.proposal, made)
