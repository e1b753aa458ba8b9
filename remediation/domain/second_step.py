"""What the steps of a plan leave alive, and the second step that would end it.

The catalogue declares it (catalogue/lives_on.py); the check, the form of a plan and the API ask
here, so that all three say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from audit.tlog.canonical import Json
from remediation.domain.catalogue import ACTIONS, ActionSpec
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.step import Step, Target


class Act(NamedTuple):
    """A step as far as this needs it; of a plan under way the target may not be known yet."""

    spec: ActionSpec
    target: Target | None
    parameters: Mapping[str, Json]


@dataclass(frozen=True)
class Left:
    """Something that a step leaves alive. `second`: the target of the action that ends it."""

    index: int
    target: Target | None
    lives_on: LivesOn
    second: Target | None


def acts_of(steps: Sequence[Step]) -> tuple[Act, ...]:
    return tuple(Act(step.spec, step.target, step.parameters) for step in steps)


def left_alive(acts: Sequence[Act]) -> Iterator[Left]:
    """Yield what the steps leave alive that neither a parameter nor another step ends."""
    for index, act in enumerate(acts):
        for one in act.spec.lives_on or ():
            second = second_target(act, one)
            by_itself = bool(one.parameter) and act.parameters.get(one.parameter) is True
            if not by_itself and not _is_ended(acts, index, one, second):
                yield Left(index, act.target, one, second)


def second_target(act: Act, one: LivesOn) -> Target | None:
    """Return the target of the action that ends it; None without one, or before it is known."""
    if not one.action or act.target is None:
        return None
    if not one.target:
        return act.target
    fields = {name: text.format_map(act.target.fields) for name, text in one.target.items()}
    return Target(ACTIONS[one.action].target_kind, MappingProxyType(fields))


def _is_ended(acts: Sequence[Act], index: int, one: LivesOn, second: Target | None) -> bool:
    """Return whether another step ends it: a later one, or any that refuses what is open for good.

    What is ended before access is taken away can be opened again.
    """
    return second is not None and any(
        act.spec.kind == one.action
        and act.target is not None
        and act.target.locator == second.locator
        and (place > index or act.spec.removes_access)
        for place, act in enumerate(acts)
    )
