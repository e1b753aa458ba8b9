"""Compute the plan of a reversal: the inverse of what a run changed, according to the record.

`execution.reverse_run` proposes it; the worker computes it again before it runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan, Step
from remediation.domain.states import ProposalState
from remediation.models import Proposal, StepRecord
from remediation.services.load_plan import read_plan


def inverse_plan(proposal: Proposal) -> Plan | None:
    """Return the plan that reverses a successful run, or None when there is none.

    It holds the inverse of each step that changed its target, the last step first. A step counts
    only if the record shows different values before and after it, and only if the catalogue pairs
    its action with another action, each being the rollback of the other.
    """
    if proposal.state != ProposalState.SUCCEEDED:
        return None
    changed = _changed(proposal)
    try:
        done = read_plan(bytes(proposal.plan))
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


def _changed(proposal: Proposal) -> frozenset[int]:
    """Return the steps whose target had different values before and after."""
    before: dict[int, Mapping[str, Json]] = {}
    after: dict[int, Mapping[str, Json]] = {}
    rows = StepRecord.objects.filter(execution__proposal=proposal)
    for row in rows.filter(phase__in=("intended", "verified")):
        if row.phase == "intended":
            before[row.step] = row.data.get("snapshot", {})
        else:
            after[row.step] = row.data
    return frozenset(
        step
        for step, found in before.items()
        if any(after.get(step, {}).get(name, value) != value for name, value in found.items())
    )


def _inverse(step: Step) -> bool:
    if step.rollback is None or step.rollback == step.action or not step.spec.reversible:
        return False
    return ACTIONS[step.rollback].rollback == step.action


def _back(step: Step) -> dict[str, Json]:
    return {"action": step.rollback, "target": step.target.to_json(), "parameters": {}}
