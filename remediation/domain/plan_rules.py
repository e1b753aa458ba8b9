"""The rules between the steps of a plan: targets, references and waits; the order: plan_order.py.

They are judged when the plan is made, and again whenever its bytes are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from remediation.domain.conditions import Name
from remediation.domain.errors import BadReference, BadValue, TwoStepsOneTarget
from remediation.domain.plan_order import (
    refuse_delivery,
    refuse_order,
    refuse_trust,
    says_what_it_replaces,
)
from remediation.domain.step import Step
from remediation.domain.waits import Condition, Order, Wait


def judged(steps: tuple[Step, ...], order: Order, at: str, *, second: bool) -> tuple[Step, ...]:
    """Return the steps, with the patterns of what they refer to. Raises BadInput.

    `second`: the plan is of version 2; one of version 1 has no wait, no reference and no order.
    """
    _refuse_targets(steps, at, second=second)
    refuse_trust(steps, at)
    if not second:
        refuse_delivery(steps, at)
        return steps
    for step in steps:
        if step.wait is not None:
            _refuse_wait(steps, step.index, step.wait, f"{at}/{step.index}/wait")
    steps = tuple(_with_patterns(steps, step, at) for step in steps)
    refuse_order(steps, order, at)
    return steps


def _refuse_targets(steps: Sequence[Step], at: str, *, second: bool) -> None:
    """Several steps on one target: only where each one says what it leaves for the next."""
    last: dict[str, Step] = {}
    for step in steps:
        before = last.get(step.target.locator)
        pointer = f"{at}/{step.index}/target"
        if before is not None and not (second and before.spec.leaves):
            raise TwoStepsOneTarget(step.target.locator, pointer=pointer)
        if before is not None:
            _refuse_unknown_state(before, step, pointer)
        last[step.target.locator] = step


def _refuse_unknown_state(before: Step, step: Step, at: str) -> None:
    """Of a target that the plan itself makes, only that is known which its maker says."""
    spec = before.spec
    known = {*spec.leads_to, *spec.leads_to_from}
    if spec.creates and not set(step.spec.pin_fields) <= known:
        raise TwoStepsOneTarget(f"{spec.kind} does not say all that {step.action} pins", pointer=at)


def _refuse_wait(steps: Sequence[Step], index: int, wait: Wait, at: str) -> None:
    if not wait.conditions and not wait.person:
        raise BadValue("it waits for nothing", pointer=at)
    names = [condition.name for condition in wait.conditions]
    for number, condition in enumerate(wait.conditions):
        pointer = f"{at}/conditions/{number}"
        if condition.step > index:
            raise BadValue("the step comes after the wait", pointer=f"{pointer}/step")
        spec = steps[condition.step].spec
        if condition.name not in spec.conditions:
            raise BadValue(
                f"{spec.kind} cannot look for {condition.name!r}", pointer=f"{pointer}/condition"
            )
        if condition.name == Name.OLD_QUIET and not says_what_it_replaces(steps[condition.step]):
            raise BadValue(
                f"step {condition.step + 1} does not say which one it replaces",
                pointer=f"{pointer}/condition",
            )
        # A person who goes on signs the names of what is not met.
        if names.count(condition.name) > 1:
            raise BadValue("a condition stands once in a wait", pointer=f"{pointer}/condition")


def _with_patterns(steps: Sequence[Step], step: Step, at: str) -> Step:
    patterns: dict[str, str] = {}
    for name, reference in step.references:
        pointer = f"{at}/{step.index}/parameters/{name}"
        if reference.made_by >= step.index:
            raise BadReference("only an earlier step can have made it", pointer=pointer)
        wanted = step.spec.references[name]
        makes = steps[reference.made_by].spec.makes
        if reference.name != wanted or reference.name not in makes:
            raise BadReference(
                f"step {reference.made_by + 1} makes no {wanted} for it", pointer=pointer
            )
        patterns[name] = makes[reference.name]
    return replace(step, patterns=patterns) if patterns else step


def consumed(steps: Sequence[Step], condition: Condition) -> tuple[str, ...]:
    """Return the locators of the identities whose consumers a condition is about.

    The target of its step; and, where that step only delivers a new credential, the targets that
    are retired for it: those of the steps up to the next delivery, or all later ones.
    """
    step = steps[condition.step]
    found = [step.target.locator]
    if step.spec.delivers and not step.spec.retires:
        later = steps[step.index + 1 :]
        end = next((n for n, one in enumerate(later) if one.spec.delivers), len(later))
        retired = [one for one in later[:end] if one.spec.retires]
        retired = retired or [one for one in later if one.spec.retires]
        found += [one.target.locator for one in retired]
    return tuple(dict.fromkeys(found))
