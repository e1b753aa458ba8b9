"""A plan in a few words: verb and target for heads and lists, and what is so once it is done."""

from __future__ import annotations

from string import Formatter

from remediation.domain.plan import Plan, Step


def headline(plan: Plan) -> str:
    """Return what the plan does: its verb and target, in English as the plan's sentences.

    Made from the plan's bytes and the declarations alone. Values of targets are untrusted: a page
    shows the result inert.
    """
    first, *others = plan.steps
    if not others:
        return of_step(first)
    return _together(plan.steps) or f"{of_step(first)} (+{len(others)})"


def of_step(step: Step) -> str:
    """Return what a step does, in a few words."""
    if step.spec.headline:
        return step.target.describe(step.spec.headline)
    return f"{step.spec.title}: {step.target.locator}"


def done(step: Step) -> str:
    """Return what is so once the step is confirmed."""
    if step.spec.done:
        return step.target.describe(step.spec.done)
    return of_step(step).rstrip(".") + "."


def _together(steps: tuple[Step, ...]) -> str:
    """Return one phrase for steps of one action whose named fields are equal; "" if they differ."""
    spec = steps[0].spec
    if not spec.headline_many or any(step.action != steps[0].action for step in steps):
        return ""
    named = {name for _, name, _, _ in Formatter().parse(spec.headline_many) if name} - {"number"}
    if any(step.target.fields[name] != steps[0].target.fields[name]
           for step in steps for name in named):  # fmt: skip
        return ""
    # The number first: no field is called so, and values with braces are never formatted again.
    phrase = spec.headline_many.replace("{number}", str(len(steps)))
    return steps[0].target.describe(phrase)
