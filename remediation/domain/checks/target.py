"""Check that the targets are in the inventory, observed, and in the plan's environment."""

from __future__ import annotations

from remediation.domain.checks.finding import Outcome, Result, listed, verdict
from remediation.domain.checks.given import CheckInput


def target_unknown(given: CheckInput) -> Result:
    """Check that every target is in the inventory."""
    found = [
        f"{target.locator} is not in the inventory"
        for target in given.plan.targets
        if target.locator not in given.known_locators
    ]
    return verdict(found, "Every target is in the inventory.")


def target_unobservable(given: CheckInput) -> Result:
    """Check that every target could be observed and exists, unless the plan makes it."""
    found, made = [], set[str]()
    for step in given.plan.steps:
        locator = step.target.locator
        seen = given.observations.get(locator)
        if step.spec.creates:
            made.add(locator)
        if seen is None:
            found.append(f"{locator} could not be observed")
        elif not seen.exists and locator not in made:
            found.append(f"{locator} does not exist")
    return verdict(found, "Every target was observed.")


def environment_mismatch(given: CheckInput) -> Result:
    """Check that the plan's environment is that of its targets in the inventory."""
    known = {target.locator: target.environment for target in given.scope.targets if target.known}
    found = [
        f"{target.locator} is in {known[target.locator]}, the plan says {given.plan.environment}"
        for target in given.plan.targets
        if known.get(target.locator, given.plan.environment) != given.plan.environment
    ]
    if found:
        return verdict(found, "")
    missing = [t.locator for t in given.plan.targets if t.locator not in known]
    if missing:
        return Outcome.WARN, f"The environment of {listed(missing)} is not known."
    return Outcome.PASS, "The inventory places every target in the plan's environment."
