"""Clear a step: observe its targets, gather the evidence, run the whole gate, prepare the call."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256

from django.conf import settings

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.errors import TargetUnobservable
from remediation.domain.events import Event
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import Evidence
from remediation.domain.plan import Step
from remediation.domain.plan_order import delivered_before
from remediation.domain.traces import kept
from remediation.executors.run import run_prepare, run_traces
from remediation.services import host_files
from remediation.services.assessment.observe import Seen, observe
from remediation.services.execution import inclusion, look_for
from remediation.services.execution.run import Run

# Of the reason why traces could not be read.
MOST_WHY = 300


def clear(run: Run, index: int) -> Evidence:
    """Observe, gather and gate one step; return the evidence.

    The run has the step's clearance, snapshot and traces then. Raises GateRefused, NotApplied (the
    executor refuses the target's state), ClearanceRefused.
    """
    # The clearance's time begins before the observation, so that a pause between observing and
    # judging counts. Traces are read before it: a target that tells them slowly must not use the
    # time up.
    run.traces[index] = _traces(run.step(index))
    began = time.monotonic()
    seen = observe([*run.plan.steps[index:], *_delivered(run, index)])
    if run.has_waited:
        look_for.refresh(run)
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
    step = run.plan.steps[index]
    observation = seen.observations[step.target.locator]
    assert observation is not None  # the gate refuses a target that was not observed
    state = {name: observation.state[name] for name in step.spec.pin_fields if observation.exists}
    observation = replace(observation, state=state)
    snapshot = run_prepare(clearance, run.body, index, host_files.targets(), observation, run.made)
    run.clearances[index], run.snapshots[index] = clearance, snapshot
    return evidence


def _traces(step: Step) -> dict[str, Json]:
    """Return what the step is about to end, for the record of its start; empty if nothing.

    A read that fails keeps nothing from being contained: the record says that it failed.
    """
    try:
        found = kept(run_traces(step, host_files.targets()))
    except TargetUnobservable as error:
        return {"traces_missing": inert.noted(error.detail or error.message, MOST_WHY)}
    return {"traces": found} if found else {}


def clear_end(run: Run) -> Evidence:
    """Gather and gate the end of a run after the wait behind its last step. Raises GateRefused."""
    look_for.refresh(run)
    with inclusion.judging(run.proposal, lambda: run.evidence(run.applied[-1], Seen({}, {}))) as it:
        run.remembered = it.trust.seen
        gate.verify_end(
            it.evidence,
            approvers=host_files.approvers(),
            now=it.evidence.database_now,
            log=it.trust,
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
        return it.evidence


def _delivered(run: Run, index: int) -> list[Step]:
    """Return the steps whose new credential the gate looks at before this step ends an old one."""
    found = delivered_before(run.plan.steps, run.plan.order, index)
    return [run.step(one.index) for one in found if one.index in run.applied]


def record(run: Run, index: int, evidence: Evidence) -> tuple[int, bytes]:
    """Record that the gate cleared a step; return the entry and the evidence's bytes."""
    seen = evidence.dump()
    entry = log.append(
        action=Event.WORKER_GATE_CLEARED,
        actor=run.actor.ref,
        object=f"proposal:{run.proposal.pk}",
        data={
            "step": index,
            "plan": run.proposal.plan_digest,
            "evidence": sha256(seen).hexdigest(),
            # null: this host remembered no head, so it trusted the first one it saw.
            "remembered": run.remembered.size if run.remembered is not None else None,
        },
    )
    return entry.id, seen
