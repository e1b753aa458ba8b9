"""The dry run of a plan: what each step would find at its target and leave there, in order.

The worker's assessment is the dry run. It reads every target with the observer's credential, and
judges each step on what the plan's earlier steps would leave. It writes to no target.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from audit.tlog.canonical import Json
from remediation.domain.catalogue import ACTIONS, after_step
from remediation.domain.checks.finding import Check
from remediation.domain.checks.precheck import precheck_refused, refused_steps
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan, Step

# What stands for a value that only reviewers read.
UNSAID = "{value}"
After = Callable[[Step, Mapping[str, Json]], dict[str, Json]]


class Precheck(StrEnum):
    """Whether the executor would refuse the step in the state that it would meet."""

    REFUSED = "refused"
    NOT_REFUSED = "not_refused"
    NOT_LOOKED_AT = "not_looked_at"


@dataclass(frozen=True)
class Difference:
    """One pinned field that a step would change; None where the target does not exist before."""

    field: str
    before: Json
    after: Json


@dataclass(frozen=True)
class DryStep:
    """One step of a dry run.

    `before` is its target as the step would meet it, None if it could not be read. `after` is the
    pinned state that it would leave. `left_by` is the earlier step that leaves `before`; None if
    `before` is as it was read.
    """

    step: Step
    before: Observation | None
    after: Mapping[str, Json]
    left_by: int | None = None

    @property
    def acts(self) -> bool:
        """Return whether the step has an effect: its target is there, or the step makes it."""
        return self.before is not None and (self.before.exists or self.step.spec.creates)

    @property
    def changes(self) -> tuple[Difference, ...]:
        before = self.before.state if self.before is not None else {}
        return tuple(
            Difference(name, before.get(name), value)
            for name, value in self.after.items()
            if name not in before or before[name] != value
        )


def state_after(step: Step, state: Mapping[str, Json]) -> dict[str, Json]:
    """Return the state that the step leaves; what it makes stands as its name in brackets."""
    return after_step(step.spec, state, step.parameters, {})


def dry_run(
    plan: Plan, observations: Mapping[str, Observation | None], after: After = state_after
) -> tuple[DryStep, ...]:
    """Return the plan's steps in order, each on what the earlier ones would leave."""
    return tuple(_walk(plan, observations, after))


def _walk(
    plan: Plan, observations: Mapping[str, Observation | None], after: After
) -> Iterator[DryStep]:
    left: dict[str, DryStep] = {}
    for step in plan.steps:
        seen, earlier = observations.get(step.target.locator), left.get(step.target.locator)
        if seen is not None and earlier is not None:
            seen = replace(seen, exists=True, state=earlier.after)
        made = DryStep(step, seen, {}, earlier.step.index if earlier else None)
        if made.acts and seen is not None:
            made = replace(made, after=after(step, seen.state))
            left[step.target.locator] = made
        elif seen is not None:
            made = replace(made, after=seen.state)
        yield made


def precheck_of(one: DryStep, found: Iterable[Check]) -> Precheck:
    """Return the result of the step's precheck, from the checks of the same assessment."""
    if one.before is None:
        return Precheck.NOT_LOOKED_AT
    if one.before.exists == one.step.spec.creates:
        return Precheck.REFUSED
    for check in found:
        if check.name == precheck_refused.__name__:
            refused = one.step.index in refused_steps(check.reason)
            return Precheck.REFUSED if refused else Precheck.NOT_REFUSED
    return Precheck.NOT_LOOKED_AT


def known_to_agents(plan: Plan) -> frozenset[str]:
    """Return the texts that an agent knows without the target: from its plan and the catalogue."""
    kinds = {target.kind for target in plan.targets}
    constants = (
        value
        for spec in ACTIONS.values()
        if spec.target_kind in kinds
        for value in spec.leads_to.values()
    )
    said = (
        value
        for step in plan.steps
        for value in (*step.target.fields.values(), *step.parameters.values())
    )
    new = {f"<{name}>" for step in plan.steps for name in step.spec.makes}
    return frozenset({"", *new, *(one for one in (*constants, *said) if isinstance(one, str))})


def without_names(value: Json, known: Collection[str]) -> Json:
    """Return a value of a state for an agent, without the names that only the worker read."""
    if isinstance(value, list):
        return [without_names(one, known) for one in value]
    if isinstance(value, dict):
        return UNSAID
    return UNSAID if isinstance(value, str) and value not in known else value
