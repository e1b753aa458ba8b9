"""Report before the decision what the executor would refuse."""

from __future__ import annotations

import re

from remediation.domain.checks.finding import SHOWN, Outcome, Result, listed
from remediation.domain.checks.given import CheckInput

_REFUSED = re.compile(r"(?:^|; )step (\d+) would be refused(?=: |; |\Z)")
_PASSED = "Every step passes its executor's precheck on what was observed."


def precheck_refused(given: CheckInput) -> Result:
    """Check that every step passes its executor's precheck on what it would meet.

    A refused step is always named, with the reasons of the first ones: `refused_steps` reads them.
    """
    found = [
        (step.index + 1, given.prechecks[step.index])
        for step in given.plan.steps
        if given.prechecks.get(step.index)
    ]
    texts = [
        f"step {number} would be refused" + (f": {why}" if place < SHOWN else "")
        for place, (number, why) in enumerate(found)
    ]
    if texts:
        return Outcome.FAIL, "; ".join(texts)
    unseen = [
        f"step {step.index + 1}" for step in given.plan.steps if step.index not in given.prechecks
    ]
    if not unseen:
        return Outcome.PASS, _PASSED
    rest = " Every other step passes." if given.prechecks else ""
    return Outcome.PASS, f"Not looked at: {listed(unseen)}.{rest}"


def refused_steps(reason: str) -> frozenset[int]:
    """Return the indices of the steps that the reason of this check names as refused."""
    return frozenset(int(number) - 1 for number in _REFUSED.findall(reason))
