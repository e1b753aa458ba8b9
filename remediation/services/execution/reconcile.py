"""Settle runs that no worker holds any more, and go on with runs that wait.

Their worker died, lost its lease, got no answer, or has not seen the effect yet. The reconciler
takes the leases only after they have run out, and settles an open call only when no call can still
be in flight (`in_flight`). It reads the target; it never tries again blindly, and it never gives
access back: that is left to people.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from remediation.domain.errors import Refused, TargetBusy
from remediation.domain.halt.statement import RunDecision
from remediation.domain.plan import Plan
from remediation.domain.states import ProposalState
from remediation.models import Execution, Halt, Proposal, StepRecord, Wait
from remediation.services import transition
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.execution import (
    begin_wait,
    end_wait,
    execute,
    in_flight,
    judge_halt,
    lease,
    settle,
    settle_by_hand,
    waiting,
    waits,
)
from remediation.services.execution import confirm as confirm_
from remediation.services.execution import run as runs
from remediation.services.execution.confirm import Confirmed
from remediation.services.execution.phases import Phases, load, open_call, phases_of, to_undo
from remediation.services.execution.rollback import end_undoing, roll_back, settle_step
from remediation.services.execution.run import Run
from remediation.services.execution.waiting import Verdict
from remediation.services.load_plan import read_plan
from remediation.services.outbox import notify_result, serve

logger = logging.getLogger(__name__)

_LIVE = (ProposalState.EXECUTING, ProposalState.UNKNOWN, ProposalState.WAITING)


def reconcile(*, actor: Actor) -> int:
    """Go on with every run that no worker holds; return how many were processed."""
    return sum(
        reconcile_one(proposal_id, actor=actor) for proposal_id in serve.own_proposals(_open())
    )


def reconcile_one(proposal_id: UUID, *, actor: Actor) -> bool:
    """Go on with one run; what is in the way is logged, and it is tried again later.

    A lock that somebody holds, or a row that cannot be read, must not keep the other runs from
    being settled.
    """
    try:
        return go_on(proposal_id, actor=actor)
    except Refused as error:
        logger.warning("%s is not settled yet: %s", proposal_id, error)
    except Exception:
        logger.exception("%s could not be looked at", proposal_id)
    return False


def _open() -> list[UUID]:
    """Return the runs that have not ended, and stopped ones about which people have signed."""
    signed = Halt.objects.filter(
        Q(verdict__isnull=True) | Q(verdict__refusal=""),
        recorded_at__gt=database_now() - judge_halt.UNDO_FOR,
        proposal__state=ProposalState.STOPPED,
    ).exclude(decision__in=(RunDecision.KEEP, *waits.ANSWERS))
    ended = StepRecord.objects.filter(
        execution=OuterRef("execution"), step=OuterRef("step"), phase__in=("undone", "undo_failed")
    )
    begun = StepRecord.objects.filter(
        ~Exists(ended), phase="undo_intended", execution__proposal__state=ProposalState.STOPPED
    )
    live = Proposal.objects.filter(state__in=_LIVE, execution__isnull=False)
    return [
        *live.values_list("pk", flat=True),
        *{
            *signed.values_list("proposal_id", flat=True),
            *begun.values_list("execution__proposal_id", flat=True),
        },
    ]


def go_on(proposal_id: UUID, *, actor: Actor) -> bool:
    """Go on with one run; return False when that must wait, or it has ended.

    Raises Refused when something that can pass is in the way.
    """
    if settle_by_hand.settle(proposal_id, actor=actor):
        return True
    execution = Execution.objects.select_related("proposal__incident", "proposal__diagnosis").get(
        proposal_id=proposal_id
    )
    phases = phases_of(execution)
    if execution.proposal.state == ProposalState.STOPPED and not _undo_is_open(execution, phases):
        return False
    plan = read_plan(bytes(execution.proposal.plan))
    if not _is_quiet(execution, plan, phases):
        return False
    verdict = None
    if execution.proposal.state == ProposalState.WAITING and not _was_undoing(phases):
        verdict = waiting.tick(execution, plan, actor=actor)
    if verdict is Verdict.WAITS:
        return False  # without a lease: most looks come to this
    return _under_lease(execution, plan, verdict, actor=actor)


def _under_lease(
    execution: Execution, plan: Plan, verdict: Verdict | None, *, actor: Actor
) -> bool:
    proposal = execution.proposal
    try:
        locators = [target.locator for target in plan.targets]
        held = lease.claim(locators, worker=actor.ref, proposal=proposal.pk)
    except TargetBusy:
        return False
    # Read again under the lease: the worker may have finished meanwhile.
    proposal.refresh_from_db(fields=["state", "round"])
    run = Run(actor, proposal, plan, held, execution=execution)
    phases = load(run)
    if proposal.state == ProposalState.STOPPED:
        return _undo_stopped(run, phases)
    if proposal.state not in _LIVE:
        held.release()
        return False
    if verdict is not None:
        return _after_wait(run, phases, verdict)
    if proposal.state == ProposalState.WAITING and not _was_undoing(phases):
        held.release()  # it began to wait since: the next turn looks whether it may go on
        return False
    _go_on(run, phases)
    return True


def _after_wait(run: Run, phases: Phases, verdict: Verdict) -> bool:
    """Go on with a run that waited, or end it; return False if it waits again."""
    if run.proposal.state != ProposalState.WAITING:
        run.leases.release()
        return False
    if verdict is Verdict.OVER:
        return _end_unanswered(run)
    judged = judge_halt.judge(run)
    if judged is not None:
        if judged.undo:
            roll_back(run, judged.name)
        else:
            runs.end(run, judged.name)
        return True
    index = _next(run, phases)
    if index < 0:
        end_wait.end(run)
    else:
        execute.finish(run, start=index)
    run.proposal.refresh_from_db(fields=["state"])
    if run.proposal.state != ProposalState.WAITING:
        return True
    assert run.execution is not None
    waiting.refused(run.execution, actor=run.actor)
    return False


def _end_unanswered(run: Run) -> bool:
    """End a run because nobody answered, unless somebody has signed since it was looked at.

    One transaction under the proposal's lock, which a signature takes too.
    """
    with transaction.atomic():
        transition.lock(run.proposal.pk)
        if Halt.objects.filter(proposal=run.proposal, verdict__isnull=True).exists():
            run.leases.release()
            return False
        runs.end(run, "nobody_answered")
    return True


def _undo_is_open(execution: Execution, phases: Phases) -> bool:
    """Return whether something of a stopped run can be undone, or an undoing was not concluded."""
    undoing = any({"undone", "undo_failed"} & set(done) for done in phases.values())
    return bool(to_undo(phases)) or (
        undoing and not notify_result.undo_was_told(execution.proposal)
    )


def _is_quiet(execution: Execution, plan: Plan, phases: Phases) -> bool:
    """Return whether no call of this run can be in flight, by this process's own clock."""
    index = open_call(phases)
    if index is None:
        return True
    begun = execution.steps.filter(step=index, phase__in=("intended", "undo_intended"))
    token = begun.order_by("-id").values_list("token", flat=True)[0]
    return in_flight.is_over(execution.proposal_id, plan.steps[index].target.locator, token)


def _undo_stopped(run: Run, phases: Phases) -> bool:
    """Roll back a stopped run if a person signed for it."""
    call = open_call(phases)
    if call is not None and "undo_intended" in phases[call]:
        settle_step(run, call)
    judged = judge_halt.judge(run)
    if judged is not None and judged.undo:
        roll_back(run, "halted")
    elif any({"undo_intended", "undone", "undo_failed"} & set(done) for done in load(run).values()):
        # It began in time, and a crash kept it from being concluded.
        end_undoing(run, "halted")
    else:
        run.leases.release()
        return False
    return True


def _go_on(run: Run, phases: Phases) -> None:
    call = open_call(phases)
    if call is not None:
        if settle.settle(run, phases, call):
            _go_on(run, load(run))
        return
    judged = judge_halt.judge(run)
    if judged is not None and judged.undo and run.applied:
        roll_back(run, "halted")
        return
    index = _next(run, phases)
    done = phases.get(index, {})
    last = (index if index >= 0 else len(run.plan.steps)) - 1
    if not done and last >= 0 and _is_running(run) and begin_wait.begin(run, last):
        return
    if index < 0 and not _left_out_wait(run, last):
        execute.succeed(run, "settled")
    elif "failed" in done or "unconfirmed" in done or _was_undoing(phases):
        runs.end(run, "settled")
    elif "applied" in done:
        _confirm(run, index)
    elif judged is not None:
        runs.end(run, "halted")
    elif index < 0 or run.proposal.state == ProposalState.UNKNOWN:
        # People were told that the outcome was unknown; the rest of the plan is theirs to propose.
        runs.end(run, "outcome_unknown")
    else:
        execute.finish(run, start=index)


def _next(run: Run, phases: Phases) -> int:
    """Return the first step that is not verified, -1 if all are."""
    steps = range(len(run.plan.steps))
    return next((index for index in steps if "verified" not in phases.get(index, {})), -1)


def _left_out_wait(run: Run, last: int) -> bool:
    """Return whether the run has not waited behind its last step as it should."""
    begun = Wait.objects.filter(execution=run.execution, step=last)
    return last in run.waits and not begun.exists()


def _is_running(run: Run) -> bool:
    return run.proposal.state == ProposalState.EXECUTING


def _was_undoing(phases: Phases) -> bool:
    """Return whether a rollback began that no signature asks for, by an older version."""
    return any({"undo_intended", "undo_failed"} & set(done) for done in phases.values())


def _confirm(run: Run, index: int) -> None:
    if confirm_.look(run, index) is Confirmed.SEEN:
        _go_on(run, load(run))
