"""Compose the title of a plan from its bytes: a verb and its target, in the portal's words."""

from __future__ import annotations

import string
from collections.abc import Sequence

from remediation.domain.plan import Order, Plan, Step, format_name


def headline(plan: Plan) -> str:
    """Return what the plan does in one line; every step is named below the title.

    A name that a reader could misread stands in quotes, as in the sentence of a step (A01).
    """
    rotated = _rotations(plan)
    if rotated:
        return rotated
    first, *others = plan.steps
    if not others:
        return headline_of(first)
    if all(step.action == first.action for step in others):
        for template in first.spec.headlines:
            if _shared(template, plan.steps):
                # A target has no field named count (domain/catalogue/action_rules.py).
                return first.target.describe(template.replace("{count}", str(len(plan.steps))))
    return f"{len(plan.steps)} steps, the first: {headline_of(first)}"


def _rotations(plan: Plan) -> str:
    """Return what a plan with an order rotates; "" for any other plan.

    Steps of one action on several targets have a title with their number instead.
    """
    makers = [step for step in plan.steps if step.spec.rotation]
    if plan.order is Order.NONE or not makers:
        return ""
    if len(plan.steps) > 1 and len({step.action for step in plan.steps}) == 1:
        return ""
    titles = tuple(dict.fromkeys(_rotation(step) for step in makers))
    return titles[0] if len(titles) == 1 else f"{titles[0]}, and {len(titles) - 1} more"


def _rotation(step: Step) -> str:
    """Return the title; a parameter in it is quoted like a free name of a target (A01)."""
    texts = {
        name: format_name(value)
        for name, value in step.parameters.items()
        if isinstance(value, str)
    }
    return step.target.describe(step.spec.rotation, texts)


def headline_of(step: Step) -> str:
    """Return the title of one step."""
    return step.target.describe(step.spec.headline or step.spec.sentence)


def done(step: Step) -> str:
    """Return what is so once the step is confirmed."""
    return step.target.describe(step.spec.done or step.spec.sentence)


def _shared(template: str, steps: Sequence[Step]) -> bool:
    """Return whether each field in the template has one value in all targets."""
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name} - {"count"}
    return all(len({step.target.fields[name] for step in steps}) == 1 for name in names)
