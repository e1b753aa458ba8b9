"""Ask the executors, without a call to a target, which steps of a plan they would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from remediation.domain.dry_run import dry_run
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.executors import run


def prechecks(plan: Plan, seen: Mapping[str, Observation | None]) -> dict[int, str]:
    """Return by step why its executor would refuse what the step would meet ("" if it would not).

    A step whose target could not be observed, or is not there, is left out: another check reports
    it.
    """
    found = {}
    for one in dry_run(plan, seen):
        if one.before is None or not one.acts:
            continue
        # The executor is asked about the same fields when the step is cleared.
        fields = one.step.spec.pin_fields
        state = {name: value for name, value in one.before.state.items() if name in fields}
        earlier = plan.steps[: one.step.index]
        met = replace(one.before, state=state)
        found[one.step.index] = run.would_refuse(one.step, met, earlier)
    return found
