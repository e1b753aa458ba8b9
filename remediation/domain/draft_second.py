"""Offer the second step of a plan under way: what ends what a step leaves alive, by one press."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from remediation.domain import draft_moves, instant
from remediation.domain.catalogue import ACTIONS, ActionSpec
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.draft import Draft, DraftStep, typed_target
from remediation.domain.plan import MAX_STEPS
from remediation.domain.schema_inputs import inputs_of
from remediation.domain.second_step import Act, Left, left_alive
from remediation.domain.step import Target


@dataclass(frozen=True)
class Offer:
    """A way to end what the step of this index leaves alive.

    By a parameter of the step itself, or by an action of its own on a target.
    """

    index: int
    parameter: str = ""
    action: str = ""
    target: Target | None = None

    @property
    def name(self) -> str:
        """Return its name in the form: "0 end_sessions", or "0 " and the action."""
        return f"{self.index} {self.parameter or self.action}"


def offers(draft: Draft, *, allow_test: bool) -> tuple[Offer, ...]:
    """Return every way to end what the steps leave alive, the parameter of a step first."""
    acts, places = [], []
    for place, step in enumerate(draft.steps):
        if step.spec is not None:
            acts.append(Act(step.spec, typed_target(step, allow_test=allow_test), _truths(step)))
            places.append(place)
    room = len(draft.steps) < MAX_STEPS
    return tuple(one for left in left_alive(acts) for one in _ways(left, places[left.index], room))


def taken(draft: Draft, name: str, *, now: datetime, allow_test: bool) -> Draft:
    """Return the draft with the offer of this name; unchanged if there is none."""
    chosen = next((one for one in offers(draft, allow_test=allow_test) if one.name == name), None)
    if chosen is None:
        return draft
    step = draft.steps[chosen.index]
    if chosen.parameter:
        changed = replace(step, parameters={**step.parameters, chosen.parameter: "yes"})
        steps = (*draft.steps[: chosen.index], changed, *draft.steps[chosen.index + 1 :])
        return replace(draft, steps=steps)
    if chosen.target is None or step.spec is None:
        return draft
    one = next(one for one in step.spec.lives_on or () if one.action == chosen.action)
    second = DraftStep(
        chosen.action,
        chosen.target.locator,
        parameters={one.before: _before(step.spec, one, chosen.index, now)} if one.before else {},
    )
    return replace(draft, steps=draft_moves.inserted(draft.steps, chosen.index + 1, second))


def _ways(left: Left, index: int, room: bool) -> Sequence[Offer]:
    one, found = left.lives_on, []
    if one.parameter:
        found.append(Offer(index, parameter=one.parameter))
    if room and left.second is not None:
        found.append(Offer(index, action=one.action, target=left.second))
    return found


def _truths(step: DraftStep) -> dict[str, bool]:
    """Return the parameters that are yes or no, as far as they are typed."""
    inputs = {one.name: one for one in inputs_of(step.spec.parameters)} if step.spec else {}
    return {
        name: typed == "yes"
        for name, typed in step.parameters.items()
        if name in inputs and inputs[name].kind == "yes_no"
    }


def _before(spec: ActionSpec, one: LivesOn, index: int, now: datetime) -> str:
    """Return the time before which it was opened: the step's own where it makes one, or now."""
    made = ACTIONS[one.action].references.get(one.before)
    if made in spec.makes:
        return f"steps/{index}/made/{made}"
    return instant.dump(now.replace(microsecond=0))
