"""The phases of a run: which there are, who goes on after a crash, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.models import Execution
from remediation.services.execution.run import Run
from remediation.services.execution.waits import made_by

# Every commit by which a run gets on: a phase of a step, a move of its state, or a row of its wait.
# Beside it, what goes on after a crash that follows the commit. Generated tests crash a worker
# before and after each (tests/flows/test_crash_matrix.py), and fail for one that is not here.
GOES_ON: Mapping[str, str] = MappingProxyType(
    {
        "step intended": "reconcile: reads the target when no call can be in flight",
        "step applied": "reconcile: looks for the effect",
        "step verified": "reconcile: begins the wait, or the next step",
        "step unconfirmed": "reconcile: ends the run",
        "step failed": "reconcile: ends the run",
        "step unknown": "reconcile: reads the target",
        "step undo_intended": "reconcile: reads the target, never repeats",
        "step undone": "reconcile: undoes the step before, or ends the run",
        "step undo_failed": "reconcile: undoes the step before, or ends the run",
        "approved > executing": "reconcile: as after `step intended`, which it is committed with",
        "executing > waiting": "reconcile: looks after the wait",
        "waiting > executing": "reconcile: as after `step intended`, which it is committed with",
        "waiting > succeeded": "nobody: the run has ended",
        "waiting > stopped": "nobody: people go on",
        "waiting > rolled_back": "nobody: the run has ended",
        "executing > succeeded": "nobody: the run has ended",
        "executing > stopped": "nobody: people go on",
        "executing > failed": "nobody: the run has ended",
        "executing > rolled_back": "nobody: the run has ended",
        "executing > unknown": "reconcile: reads the target",
        "wait looked at": "reconcile: looks again",
        "wait overdue": "reconcile: ends the run when nobody answers",
        "answer verified": "reconcile: goes on",
        "answer refused": "reconcile: looks after the wait",
    }
)
# The data of each recorded phase, by step.
Phases = Mapping[int, Mapping[str, Mapping[str, Json]]]
# Results before runs were stopped and kept: a step that failed so had changed its target.
CHANGED = ("partly_applied", "verify_failed")


def phases_of(execution: Execution) -> Phases:
    """Return the recorded phases of a run."""
    found: dict[int, dict[str, Mapping[str, Json]]] = {}
    for row in execution.steps.order_by("id"):
        found.setdefault(row.step, {})[row.phase] = row.data
    return found


def load(run: Run) -> Phases:
    """Load the applied steps and the snapshots of a run from the record; return the phases."""
    assert run.execution is not None
    phases = phases_of(run.execution)
    run.applied = []
    for index in range(len(run.plan.steps)):
        done = phases.get(index, {})
        if "intended" in done:
            run.snapshots[index] = done["intended"]["snapshot"]  # type: ignore[assignment]
        if was_applied(done):
            run.applied.append(index)
            if made := {**made_by(done.get("applied", {})), **made_by(done.get("verified", {}))}:
                run.made[index] = made
    return phases


def was_applied(done: Mapping[str, Mapping[str, Json]]) -> bool:
    """Return whether a step changed its target, from its phases."""
    refusal = done.get("failed", {}).get("refusal")
    return refusal in CHANGED or ("applied" in done and "failed" not in done)


def open_call(phases: Phases) -> int | None:
    """Return the step whose call has no result on record, or None."""
    for index, done in phases.items():
        if "intended" in done and not {"applied", "failed"} & set(done):
            return index
        if "undo_intended" in done and not {"undone", "undo_failed"} & set(done):
            return index
    return None


def to_undo(phases: Phases) -> tuple[int, ...]:
    """Return the applied steps that are neither undone nor given up, first one first."""
    return tuple(
        index
        for index, done in sorted(phases.items())
        if was_applied(done) and not {"undone", "undo_failed"} & set(done)
    )
