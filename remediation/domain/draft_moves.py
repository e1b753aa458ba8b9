"""Move and remove steps of a plan under way; what names a step by its number moves with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from remediation.domain.draft import CONDITION, REFERENCE, DraftStep, DraftWait

Steps = tuple[DraftStep, ...]


def removed(steps: Sequence[DraftStep], index: int) -> Steps:
    """Return the steps without one; a wait or a value that names it loses that."""
    return _in_order(steps, [old for old in range(len(steps)) if old != index])


def moved_up(steps: Sequence[DraftStep], index: int) -> Steps:
    """Return the steps with one of them before the step that it follows."""
    order = list(range(len(steps)))
    if 0 < index < len(steps):
        order[index - 1 : index + 1] = [index, index - 1]
    return _in_order(steps, order)


def inserted(steps: Sequence[DraftStep], at: int, step: DraftStep) -> Steps:
    """Return the steps with one more at this place; it may name those before it."""
    now = {old: old + (old >= at) for old in range(len(steps))}
    moved = tuple(_renumbered(one, old, now) for old, one in enumerate(steps))
    return (*moved[:at], step, *moved[at:])


def _in_order(steps: Sequence[DraftStep], order: Sequence[int]) -> Steps:
    now = {old: new for new, old in enumerate(order)}
    return tuple(_renumbered(steps[old], old, now) for old in order)


def _renumbered(step: DraftStep, old: int, now: Mapping[int, int]) -> DraftStep:
    parameters = {name: _value(step, name, typed, now) for name, typed in step.parameters.items()}
    wait = step.wait and _wait(step.wait, old, now)
    return replace(step, parameters=parameters, wait=wait)


def _value(step: DraftStep, name: str, typed: str, now: Mapping[int, int]) -> str:
    named = REFERENCE.fullmatch(typed.strip())
    if named is None or step.spec is None or name not in step.spec.references:
        return typed
    new = now.get(int(named[1]))
    return "" if new is None else f"steps/{new}/made/{named[2]}"


def _wait(wait: DraftWait, old: int, now: Mapping[int, int]) -> DraftWait:
    conditions = []
    for typed in wait.conditions:
        named = CONDITION.fullmatch(typed.strip())
        if named is None:
            conditions.append(typed)
            continue
        new = now.get(int(named[2] or old))
        if new is not None:
            conditions.append(f"{named[1]}/{new}")
    return replace(wait, conditions=tuple(conditions))
