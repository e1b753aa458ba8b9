"""Compute the plan of a reversal: the inverse of what a run changed, according to the record.

`execution.reverse_run` proposes it; the worker computes it again before it runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.catalogue import ACTIONS, after_step
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan, Step, resolved
from remediation.domain.states import ProposalState
from remediation.domain.waits import Made
from remediation.models import Proposal, StepRecord
from remediation.services.load_plan import read_plan

# The reason of a move out of `unknown` that people settled (execution.settle_by_hand).
BY_PEOPLE = {"applied": "people_said_applied", "not_applied": "people_said_not_applied"}
# What is on record of one step, by phase.
Phases = Mapping[str, Mapping[str, Json]]
REVERSIBLE = (ProposalState.SUCCEEDED, ProposalState.STOPPED)


def inverse_plan(proposal: Proposal) -> Plan | None:
    """Return the plan that reverses a run that succeeded or stopped, or None when there is none.

    It holds the inverse of each step that changed its target, the last step first. A step counts
    only if the record shows different values before and after it, and only if the catalogue pairs
    its action with another action, each being the rollback of the other. Whether the target still
    is as the step left it is looked at again by the gate (drift).
    """
    if proposal.state not in REVERSIBLE:
        return None
    try:
        done = read_plan(bytes(proposal.plan))
        ran = _ran(proposal)
        made = {index: _made(phases) for index, phases in ran.items()}
        changed = _changed(proposal, done, ran, made)
        back: list[dict[str, Json]] = [
            _back(resolved(step, made), made.get(step.index, {}))
            for step in reversed(done.steps)
            if step.index in changed and _inverse(step)
        ]
        if not back:
            return None
        return plan.parse(
            plan.written(done.environment, back),
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
    except BadInput:
        return None


def _ran(proposal: Proposal) -> dict[int, Phases]:
    """Return what is on record of each step, by phase."""
    data: dict[int, dict[str, Mapping[str, Json]]] = {}
    for row in StepRecord.objects.filter(execution__proposal=proposal):
        data.setdefault(row.step, {})[row.phase] = row.data
    return {**data}


def _made(phases: Phases) -> dict[str, str]:
    """Return what a step made, from the record that it was applied or confirmed."""
    found: dict[str, str] = {}
    for phase in ("applied", "verified"):
        made = phases.get(phase, {}).get("made")
        if isinstance(made, dict):
            found |= {name: str(value) for name, value in made.items()}
    return found


def _changed(
    proposal: Proposal, done: Plan, ran: Mapping[int, Phases], made: Made
) -> frozenset[int]:
    """Return the steps whose target had different values before and after, and was not undone.

    A confirmed step has the values that were seen. Of a step that was applied and never confirmed
    nobody saw them; it counts if its action changes the values that were there before. So does an
    unknown step of which two people said that it was applied.
    """
    said = proposal.transitions.filter(reason=BY_PEOPLE["applied"]).exists()
    return frozenset(
        step.index
        for step in done.steps
        if _has_changed(step, ran.get(step.index, {}), said, made.get(step.index, {}))
    )


def _has_changed(step: Step, phases: Phases, said: bool, made: Mapping[str, str]) -> bool:
    before = phases.get("intended", {}).get("snapshot", {})
    applied = "applied" in phases or (said and "unknown" in phases)
    if not applied or "undone" in phases or not isinstance(before, dict):
        return False
    after = phases.get("verified") or after_step(step.spec, before, step.parameters, made)
    return any(after.get(name, value) != value for name, value in before.items())


def _inverse(step: Step) -> bool:
    if step.rollback is None or step.rollback == step.action or not step.spec.reversible:
        return False
    return ACTIONS[step.rollback].rollback == step.action


def _back(step: Step, made: Mapping[str, str]) -> dict[str, Json]:
    """Return the inverse of a step, with those of its parameters and made values that it takes."""
    takes = ACTIONS[step.rollback or ""].parameters.get("properties")
    values = {**step.parameters, **made}
    parameters = {
        name: values[name] for name in values if isinstance(takes, dict) and name in takes
    }
    return {"action": step.rollback, "target": step.target.to_json(), "parameters": parameters}
