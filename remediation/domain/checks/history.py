"""Check other proposals on the same targets: rejected ones and open ones."""

from __future__ import annotations

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput


def earlier_rejection(given: CheckInput) -> Result:
    """Check that no earlier proposal on these targets was rejected (A33)."""
    found = [
        f"proposal {earlier.proposal} was rejected"
        + (f": {quoted(earlier.reason)}" if earlier.reason else "")
        for earlier in given.earlier_rejections
    ]
    return verdict(found, "No earlier proposal on these targets was rejected.")


def duplicate_proposal(given: CheckInput) -> Result:
    """Check that no other open proposal acts on these targets.

    Fail for the same action on a target; warn for another action.
    """
    mine = {step.target.locator: step.action for step in given.plan.steps}
    same, other = [], []
    for open_one in given.open_proposals:
        who = f"proposal {open_one.id} ({open_one.state.replace('_', ' ')})"
        for action, locator in open_one.steps:
            if mine.get(locator) == action:
                same.append(f"{who} already has {action} on {locator}")
            elif locator in mine:
                other.append(f"{who} wants {action} on {locator}, this one {mine[locator]}")
    return verdict(same, "No other open proposal acts on these targets.", warned=other)
