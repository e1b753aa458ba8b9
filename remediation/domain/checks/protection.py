"""Check that a plan leaves protected targets alone."""

from __future__ import annotations

import re

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput

# The account for emergencies. "glass breakage" and "emergency room" do not match.
_BREAK_GLASS = re.compile(
    r"(?<![a-z])(?:break[\W_]?glass|emergency[\W_]?(?:access|admin\w*)|fire[\W_]?fighter)(?![a-z])",
    re.IGNORECASE,
)


def protected_target(given: CheckInput) -> Result:
    """Check that no target is break-glass access, the portal's own, or on the worker's list."""
    names = {neighbour.locator: neighbour.name for neighbour in given.neighbours}
    found = []
    for target in given.plan.targets:
        name = names.get(target.locator, "")
        if target.locator in given.protected:
            found.append(f"{target.locator} is protected: {given.protected[target.locator]}")
        elif any(_BREAK_GLASS.search(value) for value in target.fields.values()):
            found.append(f"{target.locator} is named as break-glass access")
        elif _BREAK_GLASS.search(name):
            found.append(f"the inventory calls {target.locator} {quoted(name)}: break-glass access")
    return verdict(found, "No target is protected.")
