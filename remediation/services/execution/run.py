"""Hold the state of one run of an approved proposal, and conclude it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import transaction

from audit.tlog.canonical import Json
from audit.tlog.checkpoint import Checkpoint
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import FIRST, SECOND, Plan, Step, resolved
from remediation.domain.states import ProposalState
from remediation.domain.store_place import version_name
from remediation.domain.waits import Wait
from remediation.executors.base import Executor, Settled
from remediation.executors.run import executor_of
from remediation.models import Execution, Proposal
from remediation.services import host_files, transition
from remediation.services.actors import Actor
from remediation.services.assessment.observe import Seen
from remediation.services.execution import contain, in_flight, lease, record_step, waits
from remediation.services.outbox import notify_result
from remediation.services.review.gather import Waited, gather


@dataclass
class Run:
    """One run of one approved proposal in this process."""

    actor: Actor
    proposal: Proposal
    plan: Plan
    leases: lease.Leases
    execution: Execution | None = None
    # What a rollback needs, by step; also on record with `intended`.
    snapshots: dict[int, Mapping[str, Json]] = field(default_factory=dict)
    clearances: dict[int, Clearance] = field(default_factory=dict)
    # What each step was about to end (domain/traces.py).
    traces: dict[int, dict[str, Json]] = field(default_factory=dict)
    applied: list[int] = field(default_factory=list)
    # What each applied step made (ActionSpec.makes).
    made: dict[int, Mapping[str, str]] = field(default_factory=dict)
    # The ruling that the gate read, or that of the record; empty before either.
    ruling: bytes = b""
    # The head of the audit log that this host remembered when the gate last judged.
    remembered: Checkpoint | None = None

    @property
    def body(self) -> bytes:
        """Return the plan exactly as approved, for the executor."""
        return bytes(self.proposal.plan)

    def step(self, index: int) -> Step:
        """Return a step with the values that earlier steps made. Raises BadReference."""
        return resolved(self.plan.steps[index], self.made)

    def start(self, index: int) -> dict[str, Json]:
        """Return what the record of a step's start has: the old state, and what it will end."""
        return {"snapshot": dict(self.snapshots[index]), **self.traces.get(index, {})}

    def settled(self, index: int, observation: Observation | None) -> Settled | None:
        """Return whether a step was applied, as the target shows it; None if that is open."""
        if observation is None:
            return None
        step, before = self.step(index), self.snapshots.get(index, {})
        made = self.made.get(index, {})
        return self._executor(index).settled_from(step, observation, before, made)

    def found_made(self, index: int, observation: Observation | None) -> Mapping[str, str] | None:
        """Return what a step made whose answer was lost; None if the target cannot tell."""
        step = self.plan.steps[index]
        if not step.spec.makes:
            return {}
        if observation is None:
            return None
        return self._executor(index).own_made(observation, self.snapshots.get(index, {}))

    def _executor(self, index: int) -> Executor:
        made = executor_of(self.plan.steps[index])
        made.version = version_name(str(self.proposal.pk), index)
        return made

    def token(self, index: int) -> int:
        """Return the fencing token of the lease on this step's target."""
        return self.leases.tokens[self.plan.steps[index].target.locator]

    @property
    def waits(self) -> Mapping[int, Wait]:
        """Return every wait of the run, by the step that it comes after."""
        if self.plan.version == FIRST and len(self.plan.steps) == 1:
            return {}
        if not self.ruling:
            self.ruling = waits.ruling_of(self.proposal)
        return waits.planned(self.plan, self.ruling)

    @property
    def has_waited(self) -> bool:
        """Return whether a step that was applied has a wait behind it."""
        return any(index in self.waits for index in self.applied)

    def evidence(self, index: int, seen: Seen) -> Evidence:
        """Gather the gate evidence of this step from current rows."""
        made = self._gather(index, seen)
        self.ruling = made.ruling.encode()
        return made

    def _gather(self, index: int, seen: Seen) -> Evidence:
        return gather(
            self.proposal,
            self.plan,
            observations=seen.observations,
            failures=seen.failures,
            step=index,
            applied=tuple(self.applied),
            token=self.token(index),
            environments=host_files.environments(self.plan),
            waited=self._waited(),
        )

    def _waited(self) -> Waited:
        if self.execution is None or not (self.plan.version == SECOND or self.waits):
            return Waited()
        return waits.waited(self.execution, self.plan)


def mark(run: Run, index: int, phase: str, error: Refused) -> None:
    """Record a phase together with the refusal that caused it."""
    assert run.execution is not None
    record_step.record(run.actor, run.execution, index, phase, run.token(index), failure(error))


def failure(error: Refused) -> dict[str, Json]:
    """Return what the record of a step says about the refusal that ended it."""
    return {"refusal": error.name, "detail": error.detail[:500]}


ENDS = {
    ProposalState.SUCCEEDED: Event.WORKER_PROPOSAL_SUCCEEDED,
    ProposalState.FAILED: Event.WORKER_PROPOSAL_FAILED,
    ProposalState.STOPPED: Event.WORKER_PROPOSAL_STOPPED,
    ProposalState.ROLLED_BACK: Event.WORKER_PROPOSAL_ROLLED_BACK,
    ProposalState.UNKNOWN: Event.WORKER_PROPOSAL_UNKNOWN,
}


def end(run: Run, reason: str) -> None:
    """End a run before its end, and keep what was applied (promise 11).

    `failed` when nothing was changed, `stopped` when part of the plan is applied, confirmed or not.
    A run that had stopped before stays as it is.
    """
    if run.proposal.state == ProposalState.STOPPED:
        with transaction.atomic():
            contain.after_rollback(actor=run.actor, proposal=run.proposal, plan=run.plan)
            notify_result.notify_undo_failed(run.proposal.pk, actor=run.actor)
        run.leases.release()
        return
    conclude(run, ProposalState.STOPPED if run.applied else ProposalState.FAILED, reason)


def conclude(run: Run, target: ProposalState, reason: str) -> None:
    """Move the proposal to its end state; `contain` says what that means for incidents.

    A crash before this commit leaves `executing` with all step results; `reconcile` concludes.
    """
    with transaction.atomic():
        transition.move(
            actor=run.actor,
            event=ENDS[target],
            proposal_id=run.proposal.pk,
            source=_source(run),
            target=target,
            reason=reason,
        )
        if target is ProposalState.SUCCEEDED:
            contain.after_success(actor=run.actor, proposal=run.proposal, plan=run.plan)
        else:
            contain.after_rollback(actor=run.actor, proposal=run.proposal, plan=run.plan)
        notify_result.notify(run.proposal.pk, actor=run.actor)
    in_flight.forget(run.proposal.pk)
    if target is not ProposalState.UNKNOWN:
        # A call without an answer may still run at the target, so an unknown run keeps its lease
        # until it runs out.
        run.leases.release()


def _source(run: Run) -> ProposalState:
    """Return the state that this worker found: `approved` has become `executing` since."""
    state = ProposalState(run.proposal.state)
    return ProposalState.EXECUTING if state is ProposalState.APPROVED else state
