"""Compute the plan of a reversal: the inverse of what a run changed, according to the record.

`execution.reverse_run` proposes it; the worker computes it again before it runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.catalogue import ACTIONS
from remediation.domain.catalogue import after as after_action
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan, Step
from remediation.domain.states import ProposalState
from remediation.models import Proposal, StepRecord
from remediation.services.load_plan import read_plan

# The reason of a move out of `unknown` that people settled (execution.settle_by_hand).
BY_PEOPLE = {"applied": "people_said_applied", "not_applied": "people_said_not_applied"}
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
        changed = _changed(proposal, done)
        back: list[Json] = [
            _back(step) for step in reversed(done.steps) if step.index in changed and _inverse(step)
        ]
        if not back:
            return None
        return plan.parse(
            {"version": 1, "environment": done.environment, "steps": back},
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
    except BadInput:
        return None


def _changed(proposal: Proposal, done: Plan) -> frozenset[int]:
    """Return the steps whose target had different values before and after, and was not undone.

    A confirmed step has the values that were seen. Of a step that was applied and never confirmed
    nobody saw them; it counts if its action changes the values that were there before. So does an
    unknown step of which two people said that it was applied.
    """
    said = proposal.transitions.filter(reason=BY_PEOPLE["applied"]).exists()
    data: dict[int, dict[str, Mapping[str, Json]]] = {}
    for row in StepRecord.objects.filter(execution__proposal=proposal):
        data.setdefault(row.step, {})[row.phase] = row.data
    return frozenset(
        step.index for step in done.steps if _has_changed(step, data.get(step.index, {}), said)
    )


def _has_changed(step: Step, phases: Mapping[str, Mapping[str, Json]], said: bool) -> bool:
    before = phases.get("intended", {}).get("snapshot", {})
    applied = "applied" in phases or (said and "unknown" in phases)
    if not applied or "undone" in phases or not isinstance(before, dict):
        return False
    after = phases.get("verified") or after_action(step.action, before)
    return any(after.get(name, value) != value for name, value in before.items())


def _inverse(step: Step) -> bool:
    if step.rollback is None or step.rollback == step.action or not step.spec.reversible:
        return False
    return ACTIONS[step.rollback].rollback == step.action


def _back(step: Step) -> dict[str, Json]:
    return {"action": step.rollback, "target": step.target.to_json(), "parameters": {}}
