"""Read a run's recorded phases."""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.models import Execution
from remediation.services.execution.run import Run

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
