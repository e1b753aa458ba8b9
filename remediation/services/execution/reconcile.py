"""Settle runs that no worker holds any more, and go on with runs that wait to be confirmed.

Their worker died, lost its lease, got no answer, or has not seen the effect yet. The reconciler
takes the leases only after they have run out, and settles an open call only when no call can still
be in flight (`in_flight`). It reads the target; it never tries again blindly, and it never gives
access back: that is left to people.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db.models import Q

from remediation.domain.errors import Refused, TargetBusy
from remediation.domain.states import ProposalState
from remediation.models import Execution, Halt, Proposal
from remediation.services.actors import Actor
from remediation.services.execution import confirm as confirm_
from remediation.services.execution import execute, in_flight, judge_halt, lease, settle
from remediation.services.execution import run as runs
from remediation.services.execution.confirm import Confirmed
from remediation.services.execution.phases import Phases, load, open_call, phases_of
from remediation.services.execution.rollback import roll_back
from remediation.services.execution.run import Run
from remediation.services.load_plan import load_plan

logger = logging.getLogger(__name__)

_LIVE = (ProposalState.EXECUTING, ProposalState.UNKNOWN)


def reconcile(*, actor: Actor) -> int:
    """Go on with every run that no worker holds; return how many were processed."""
    done = 0
    for proposal_id in list(_open()):
        try:
            done += go_on(proposal_id, actor=actor)
        except Refused as error:
            logger.warning("%s is not settled yet: %s", proposal_id, error)
    return done


def _open() -> list[UUID]:
    """Return the runs that have not ended, and stopped ones that a person signed to undo."""
    signed = Halt.objects.filter(Q(verdict__isnull=True) | Q(verdict__refusal=""))
    waiting = Q(state__in=_LIVE) | Q(
        state=ProposalState.STOPPED, pk__in=signed.values("proposal_id")
    )
    rows = Proposal.objects.filter(waiting, execution__isnull=False)
    return list(rows.values_list("pk", flat=True))


def go_on(proposal_id: UUID, *, actor: Actor) -> bool:
    """Go on with one run; return False when that must wait, or it has ended."""
    execution = Execution.objects.select_related("proposal__incident", "proposal__diagnosis").get(
        proposal_id=proposal_id
    )
    plan = load_plan(bytes(execution.proposal.plan))
    locators = [target.locator for target in plan.targets]
    open_ = open_call(phases_of(execution))
    if open_ is not None and not in_flight.is_over(proposal_id, locators):
        return False
    try:
        held = lease.claim(locators, worker=actor.ref)
    except TargetBusy:
        return False
    # Read again under the lease: the worker may have finished meanwhile.
    proposal = execution.proposal
    proposal.refresh_from_db(fields=["state", "round"])
    run = Run(actor, proposal, plan, held, execution=execution)
    phases = load(run)
    if proposal.state == ProposalState.STOPPED:
        return _undo_stopped(run, phases)
    if proposal.state not in _LIVE:
        held.release()
        return False
    _go_on(run, phases)
    return True


def _undo_stopped(run: Run, phases: Phases) -> bool:
    """Roll back a stopped run if a person signed for it and that is not done yet."""
    judged = judge_halt.judge(run)
    left = [i for i in run.applied if not {"undone", "undo_failed"} & set(phases.get(i, {}))]
    if judged is None or not judged.undo or not left:
        run.leases.release()
        return False
    roll_back(run, judged.name)
    return True


def _go_on(run: Run, phases: Phases) -> None:
    call = open_call(phases)
    if call is not None:
        if settle.settle(run, phases, call):
            _go_on(run, load(run))
        return
    judged = judge_halt.judge(run)
    if judged is not None and judged.undo and run.applied:
        roll_back(run, judged.name)
        return
    index = next((i for i in range(len(run.plan.steps)) if "verified" not in phases.get(i, {})), -1)
    done = phases.get(index, {})
    if index < 0:
        execute.succeed(run, "settled")
    elif "failed" in done or "unconfirmed" in done or _was_undoing(phases):
        runs.end(run, "settled")
    elif "applied" in done:
        _confirm(run, index)
    elif judged is not None:
        runs.end(run, judged.name)
    elif run.proposal.state == ProposalState.UNKNOWN:
        # People were told that the outcome was unknown; the rest of the plan is theirs to propose.
        runs.end(run, "outcome_unknown")
    else:
        execute.finish(run, start=index)


def _was_undoing(phases: Phases) -> bool:
    """Return whether a rollback began that no signature asks for, by an older version."""
    return any({"undo_intended", "undo_failed"} & set(done) for done in phases.values())


def _confirm(run: Run, index: int) -> None:
    if confirm_.look(run, index) is Confirmed.SEEN:
        _go_on(run, load(run))
