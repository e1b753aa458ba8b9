"""What the executor itself would refuse, asked of the observation before anybody decides."""

from __future__ import annotations

from remediation.domain.checks.finding import Result, verdict
from remediation.domain.checks.given import CheckInput


def precheck_refused(given: CheckInput) -> Result:
    """Every step would pass its executor's precheck on what was observed."""
    found = [
        f"step {step.index + 1} would be refused: {given.prechecks[step.index]}"
        for step in given.plan.steps
        if given.prechecks.get(step.index)
    ]
    return verdict(found, "Every step passes its executor's precheck on what was observed.")
