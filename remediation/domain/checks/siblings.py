"""Find access that remains without the target: second keys, created keys, members of a role."""

from __future__ import annotations

from collections.abc import Iterator

from audit.tlog.canonical import Json
from remediation.domain.catalogue import TARGETS
from remediation.domain.checks.finding import Result, listed, shown, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.order import made_keys, takes_away
from remediation.domain.plan import Step


def sibling_credential(given: CheckInput) -> Result:
    """Check that nothing else gives the same access.

    Fail for a key that the intruder created; warn for other keys and members.
    """
    covered = {step.target.distinguishing for step in given.plan.steps if takes_away(step)}
    failed = [
        f"the evidence shows that access key {made} was made for user {user}; the plan leaves it"
        for _, made, user in made_keys(given)
        if made not in covered
    ]
    warned = [
        told
        for step in given.plan.steps
        if takes_away(step)
        for told in (*_other_keys(given, step, covered), *_members(given, step, covered))
    ]
    return verdict(failed, "No second key or member keeps the target's access.", warned=warned)


def _shown(given: CheckInput, step: Step, name: str) -> list[Json]:
    seen = given.observations.get(step.target.locator)
    value = seen.shown.get(name) if seen is not None else None
    return value if isinstance(value, list) else []


def _other_keys(given: CheckInput, step: Step, covered: set[str]) -> Iterator[str]:
    """Yield other active keys of the holder, from the observation or else the inventory."""
    holder = TARGETS[step.target.kind].holder
    if not holder:
        return
    whose = f"{holder} {step.target.fields[holder]}"
    for other in _shown(given, step, "other_keys"):
        active = isinstance(other, dict) and other.get("status") == "Active"
        name = str(other.get("id")) if isinstance(other, dict) else ""
        if active and name not in covered:
            yield f"{whose} has a second active key, {name}; the plan leaves it"
    if given.observations.get(step.target.locator) is None:
        prefix = step.target.locator.rpartition("/")[0] + "/"
        for neighbour in given.neighbours:
            name = neighbour.locator.removeprefix(prefix)
            if neighbour.locator.startswith(prefix) and name not in covered:
                yield f"the inventory lists another key of {whose}, {name}; the plan leaves it"


def _members(given: CheckInput, step: Step, covered: set[str]) -> Iterator[str]:
    names = [str(name) for name in _shown(given, step, "members") if str(name) not in covered]
    if names:
        what = TARGETS[step.target.kind].distinguishing
        whose = f"{what} {shown(step.target.distinguishing)}"
        yield f"members of {whose} keep its rights: {listed([shown(name) for name in names])}"
