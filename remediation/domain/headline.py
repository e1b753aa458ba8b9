"""Compose the title of a plan from its bytes: a verb and its target, in the portal's words."""

from __future__ import annotations

import string
from collections.abc import Sequence

from remediation.domain.plan import Plan, Step


def headline(plan: Plan) -> str:
    """Return what the plan does in one line; every step is named below the title.

    A name that a reader could misread stands in quotes, as in the sentence of a step (A01).
    """
    first, *others = plan.steps
    if not others:
        return headline_of(first)
    if all(step.action == first.action for step in others):
        for template in first.spec.headlines:
            if _shared(template, plan.steps):
                # A target has no field named count (domain/catalogue/action_rules.py).
                return first.target.describe(template.replace("{count}", str(len(plan.steps))))
    return f"{len(plan.steps)} steps, the first: {headline_of(first)}"


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
