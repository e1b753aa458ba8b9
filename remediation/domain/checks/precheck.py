"""Report before the decision what the executor would refuse."""

from __future__ import annotations

from remediation.domain.checks.finding import Result, verdict
from remediation.domain.checks.given import CheckInput


def precheck_refused(given: CheckInput) -> Result:
    """Check that every step passes its executor's precheck on the observation."""
    found = [
        f"step {step.index + 1} would be refused: {given.prechecks[step.index]}"
        for step in given.plan.steps
        if given.prechecks.get(step.index)
    ]
    return verdict(found, "Every step passes its executor's precheck on what was observed.")
