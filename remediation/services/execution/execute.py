"""Execute an approved proposal: claim → gather → gate → one transaction → call → result, per step.

Rows decide what runs; the message that wakes the worker holds only an id. Each commit point below
says what a crash there leaves behind; `reconcile` repairs it by reading the target.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from audit import log
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
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.gate import Clearance
from remediation.domain.halt.statement import RunDecision
from remediation.domain.plan import Plan
from remediation.domain.states import ProposalState
from remediation.executors.errors import (
    ClearanceRefused,
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
)
from remediation.executors.run import run_apply, run_prepare
from remediation.models import Execution, Proposal
from remediation.services import host_files, transition
from remediation.services.actors import Actor
from remediation.services.assessment.observe import observe
from remediation.services.execution import (
    confirm,
    gate_refusal,
    inclusion,
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
        held = lease.claim([t.locator for t in plan.targets], worker=actor.ref)
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
    is not confirmed yet leaves the run to `reconcile`, too.
    """
    for index in range(start, len(run.plan.steps)):
        if not _step(run, index):
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


def _clear(run: Run, index: int) -> tuple[Evidence, Clearance, Mapping[str, Json]]:
    """Observe, gather and gate one step; return evidence, clearance and the rollback's snapshot.

    Raises GateRefused, NotApplied (the executor refuses the target's state), ClearanceRefused.
    """
    # The clearance's time begins before the observation, so that a pause between observing and
    # judging counts.
    began = time.monotonic()
    seen = observe(run.plan.steps[index:])
    with inclusion.judging(run.proposal, lambda: run.evidence(index, seen)) as judged:
        evidence, run.remembered = judged.evidence, judged.trust.seen
        clearance = gate.verify(
            evidence,
            approvers=host_files.approvers(),
            now=evidence.database_now,
            monotonic=began,
            log=judged.trust,
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
    observation = seen.observations[run.plan.steps[index].target.locator]
    assert observation is not None  # the gate refuses a target that was not observed
    snapshot = run_prepare(clearance, run.body, index, host_files.targets(), observation)
    run.clearances[index], run.snapshots[index] = clearance, snapshot
    return evidence, clearance, snapshot


def _begin(run: Run) -> None:
    """Gate the first step; then, in one transaction, move to `executing` and record `intended`.

    A crash before the commit leaves an approved proposal and a lease that runs out; the sweeper
    sends the message again. A crash after it leaves `intended` without a result; `reconcile` reads
    the target.
    """
    evidence, _, snapshot = _clear_first(run)
    seen = evidence.dump()
    try:
        with transaction.atomic():
            entry = log.append(
                action=Event.WORKER_GATE_CLEARED,
                actor=run.actor.ref,
                object=f"proposal:{run.proposal.pk}",
                data={
                    "step": 0,
                    "plan": run.proposal.plan_digest,
                    "evidence": sha256(seen).hexdigest(),
                    # null: this host remembered no head, so it trusted the first one it saw.
                    "remembered": run.remembered.size if run.remembered is not None else None,
                },
            )
            with translated():
                run.execution = Execution.objects.create(
                    proposal=run.proposal,
                    tokens=dict(run.leases.tokens),
                    holder=run.leases.holder,
                    evidence=seen,
                    entry=entry.id,
                )
            transition.move(
                actor=run.actor,
                event=Event.WORKER_PROPOSAL_EXECUTING,
                proposal_id=run.proposal.pk,
                source=ProposalState.APPROVED,
                target=ProposalState.EXECUTING,
            )
            record_step.record(
                run.actor, run.execution, 0, "intended", run.token(0), {"snapshot": dict(snapshot)}
            )
    except DatabaseError as error:
        raise AuditUnavailable(type(error).__name__) from error


def _clear_first(run: Run) -> tuple[Evidence, Clearance, Mapping[str, Json]]:
    try:
        return _clear(run, 0)
    except NotApplied as error:
        # The executor refuses a target in this state: treat it as drift.
        raise Drift(error.detail) from error
    except ClearanceRefused as error:
        # The worker paused between observing and judging: the observation is too old.
        raise TargetUnobservable(f"the observation is too old: {error.detail}") from error


def _step(run: Run, index: int) -> bool:
    """Run one step; return False when the run ended with it, or waits to be confirmed."""
    assert run.execution is not None
    if index > 0 and not _intend(run, index):
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
        )
    except OutcomeUnknown as error:
        # The lease runs out, then `reconcile` reads the target.
        record_result(run, index, "unknown", failure(error))
        runs.conclude(run, ProposalState.UNKNOWN, error.name)
        return False
    except PartlyApplied as error:
        # The effect is in, but something goes on that it must end.
        data: dict[str, Json] = {"incomplete": error.detail[:500]}
    except Refused as error:
        # Nothing was changed at this target; what earlier steps changed stays.
        record_result(run, index, "failed", failure(error))
        runs.end(run, error.name)
        return False
    else:
        data = dict(outcome.detail)
    # A crash before this commit leaves `intended` without a result; `reconcile` reads the target.
    record_result(run, index, "applied", data)
    run.applied.append(index)
    return confirm.first_look(run, index) is Confirmed.SEEN


def _intend(run: Run, index: int) -> bool:
    """Gate a later step and record `intended`.

    A refusal or a valid halt ends the run and returns False. What was applied stays, unless the
    halt asks for undoing.
    """
    try:
        judge_halt.refuse_if_halted(run)
        _, _, snapshot = _clear(run, index)
        run.leases.ensure(run.plan.steps[index].spec.hard_timeout_s)
        _record_intended(run, index, snapshot)
    except Refused as error:
        gate_refusal.record(run.proposal, error, actor=run.actor)
        if isinstance(error, Halted) and error.decision == RunDecision.UNDO:
            roll_back(run, error.name)
        else:
            runs.end(run, error.name)
        return False
    return True


def _record_intended(run: Run, index: int, snapshot: Mapping[str, Json]) -> None:
    """Record `intended` for a later step, unless a halt arrived meanwhile. Raises Refused.

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
                record_step.record(
                    run.actor,
                    run.execution,
                    index,
                    "intended",
                    run.token(index),
                    {"snapshot": dict(snapshot)},
                )
            except Refused as error:
                refusal = error
    if refusal is not None:
        raise refusal
