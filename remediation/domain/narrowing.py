"""Prove that a plan is narrower than another, and that a signed narrowing counts as an approval.

The web process, the worker's assessment and the gate ask the same pure functions. A narrower plan
can only take effects away, so its author stays able to approve it (promise 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from audit.tlog.canonical import Json, encode
from remediation.domain import scope_gaps
from remediation.domain.catalogue import Narrows
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import BadValue
from remediation.domain.observation import Pinned
from remediation.domain.plan import MAX_STEPS, Plan, Step, parse
from remediation.domain.plan_order import replaces
from remediation.domain.ruling import Ruling, tightened
from remediation.domain.scope import Scope
from remediation.domain.waits import Order, is_reference

T = TypeVar("T")

# A narrowing counts in the first round of the narrowed proposal. Each later one has an assessment
# that its author has not seen.
ROUND = 1
# The number of a step that is not in the new plan.
NOWHERE = MAX_STEPS


@dataclass(frozen=True)
class Kept:
    """A step that stays, by its index in the old plan, and its parameters."""

    step: int
    parameters: Mapping[str, Json]


@dataclass(frozen=True)
class Judged:
    """What one round of a proposal asked people to judge."""

    plan: Plan
    diagnosis: str  # its digest
    scope: Scope
    checks: tuple[Check, ...]
    ruling: Ruling
    pinned: tuple[Pinned, ...]


def keep(
    old: Plan, kept: Sequence[Kept], *, protected: frozenset[str], allow_test: bool = False
) -> Plan:
    """Return the plan with these steps of the old one. Raises BadInput."""
    places = [one.step for one in kept]
    if any(not 0 <= place < len(old.steps) for place in places):
        raise BadValue("the plan has no such step", pointer="/steps")
    new = {place: index for index, place in enumerate(places)}
    steps: list[Json] = [
        {**old.steps[one.step].to_json(), **_moved_to(new, old.steps[one.step], one.parameters)}
        for one in kept
    ]
    value: dict[str, Json] = {
        "version": old.version, "environment": old.environment, "steps": steps
    }  # fmt: skip
    if old.version > 1:
        value["order"] = old.order.value
    return parse(value, protected=protected, allow_test=allow_test, earlier=True)


def _moved_to(
    new: Mapping[int, int], step: Step, parameters: Mapping[str, Json]
) -> dict[str, Json]:
    """Return a step's parameters and wait with the numbers that other steps have now.

    A number that nothing has now becomes one that no plan has, so that parsing refuses it.
    """
    moved: dict[str, Json] = {
        "parameters": {
            name: {**value, "made_by": _number(new, value["made_by"])}
            if isinstance(value, dict) and is_reference(value)
            else value
            for name, value in parameters.items()
        }
    }
    if step.wait is not None:
        conditions = (replace(one, step=new.get(one.step, NOWHERE)) for one in step.wait.conditions)
        moved["wait"] = replace(step.wait, conditions=tuple(conditions)).to_json()
    return moved


def _number(new: Mapping[int, int], old: Json) -> Json:
    return new.get(old, NOWHERE) if type(old) is int else old


def is_narrower(old: Plan, new: Plan) -> bool:
    """Return whether the new plan does nothing that the old one does not; a plan is so itself."""
    return not why_wider(old, new)


def why_wider(old: Plan, new: Plan) -> str:
    """Return what the new plan does beyond the old one; "" if it is narrower.

    Narrower is: the same environment and order, and some of the old steps in their order, each on
    the same target by the same version of the same action, with parameters that are equal or
    smaller as the catalogue declares. A wait stays as it is between the steps that are left. Where
    consumers move first, a step that ends a credential stays only with one that replaces it.
    """
    if new.environment != old.environment:
        return f"the environment is {new.environment}, it was {old.environment}"
    if (new.version, new.order) != (old.version, old.order):
        return f"the order is {new.order}, it was {old.order}"
    if not new.steps:
        return "no step is left"
    places: list[int] = []
    for step in new.steps:
        place = _place(old, step, places)
        if place is None:
            return f"step {step.index + 1} is not a step of the old plan, at its place and no wider"
        places.append(place)
    for wait in old.waits:
        if wait not in places and wait < places[-1]:
            return f"it does not wait after what was step {wait + 1}"
    return _without_replacement(old, places)


def _without_replacement(old: Plan, kept: Sequence[int]) -> str:
    """Return which step that stays would end what nothing replaces any more; "" if none does."""
    if old.order is not Order.MOVE_FIRST:
        return ""
    for place in kept:
        ending = old.steps[place]
        by = [
            one.index for one in old.steps[:place] if ending.spec.retires and replaces(one, ending)
        ]
        if by and not set(by) & set(kept):
            return f"what was step {place + 1} stays without step {by[-1] + 1}, which replaces it"
    return ""


def _place(old: Plan, step: Step, places: Sequence[int]) -> int | None:
    """Return the first step of the old plan, after those taken, that this one is no wider than."""
    first = places[-1] + 1 if places else 0
    for place in range(first, len(old.steps)):
        back = dict(enumerate((*places, place)))
        as_before = _moved_to(back, step, step.parameters)
        if _is_narrower_step(old.steps[place], step, as_before):
            return place
    return None


def _first_missing(old: Sequence[T], new: Sequence[T], fits: Callable[[T, T], bool]) -> int | None:
    """Return the first member of `new` that no later member of `old` stands for; None if none.

    Taking the earliest fitting one leaves the most for the others, so this finds an order of
    members if there is one.
    """
    at = 0
    for place, value in enumerate(new):
        while at < len(old) and not fits(old[at], value):
            at += 1
        if at == len(old):
            return place
        at += 1
    return None


def _is_narrower_step(old: Step, new: Step, as_before: Mapping[str, Json]) -> bool:
    """Compare two steps; `as_before` has the new one's parameters and wait in the old numbers."""
    same = (old.action, old.executor, old.rollback) == (new.action, new.executor, new.rollback)
    if not same or encode(old.target.to_json()) != encode(new.target.to_json()):
        return False
    if not _same(old.wait.to_json() if old.wait else None, as_before.get("wait")):
        return False
    parameters = as_before["parameters"]
    # Leaving a parameter out can mean "all of them".
    if not isinstance(parameters, dict) or set(old.parameters) != set(parameters):
        return False
    return all(
        _is_smaller(old.spec.narrows.get(name), old.parameters[name], parameters[name])
        for name in old.parameters
    )


def _is_smaller(how: Narrows | None, old: Json, new: Json) -> bool:
    if _same(old, new):
        return True
    match how:
        case Narrows.SUBSET:
            # An empty list can mean "all of them", too.
            lists = isinstance(old, list) and isinstance(new, list) and bool(new)
            return lists and _first_missing(old, new, _same) is None  # type: ignore[arg-type]
        case Narrows.SMALLER:
            # 0 and below can mean "without a limit".
            return type(old) is int and type(new) is int and 0 < new < old
        case Narrows.TO_FALSE:
            return (old, new) == (True, False) and type(old) is type(new) is bool
        case Narrows.TO_TRUE:
            return (old, new) == (False, True) and type(old) is type(new) is bool
    return False


def _same(old: Json, new: Json) -> bool:
    """Compare as JSON, where true is not 1."""
    return encode(old) == encode(new)


def why_not_counted(old: Judged, new: Judged, slot: str) -> str:
    """Return why a narrowing that was signed over `old` is no approval of `new`; "" if it is one.

    Its author judged the old diagnosis, scope, checks and state of the targets, in a slot. It
    counts if all that stands behind the narrowed plan was among them, if the slot is still asked,
    and if somebody else decides, too.
    """
    wider = why_wider(old.plan, new.plan)
    if wider:
        return wider
    if new.diagnosis != old.diagnosis:
        return "the diagnosis is another one"
    failed = _failed(new.checks) - _failed(old.checks)
    if failed:
        return f"checks fail that did not: {', '.join(sorted(failed))}"
    return (
        _reaches(old.scope, new.scope)
        or _asks(old.ruling, new.ruling, slot)
        or _moved(old.pinned, new.pinned)
    )


def _asks(old: Ruling, new: Ruling, slot: str) -> str:
    if len(new.slots) < 2:
        # Somebody must have seen the assessment of what runs.
        return "nobody else decides, so its author decides on the assessed plan"
    if slot not in new.slots:
        # It would fill none, and everybody else's approvals would be one too many (A81).
        return f"the slot {slot} is not asked any more"
    if not _same_owners(old, new):
        return "an owner's slot asks another team than the one that was signed"
    # The holds have the numbers of the new steps; why_wider compared the waits.
    return tightened(old, replace(new.requirements, holds=())) or ""


def _reaches(old: Scope, new: Scope) -> str:
    targets = {encode(target.to_json()) for target in old.targets}
    services = {encode(service.to_json()) for service in old.services}
    within = all(encode(target.to_json()) in targets for target in new.targets) and all(
        encode(service.to_json()) in services for service in new.services
    )
    if not within or not set(new.consumers) <= set(old.consumers):
        return "the scope holds something that the signed one did not"
    names = {service.name for service in old.services}
    if not all(scope_gaps.covered(one, old.unknown, names) for one in new.unknown):
        return "more is unknown about the scope than was signed"
    return ""


def _same_owners(old: Ruling, new: Ruling) -> bool:
    """Return whether each owner's slot asks the team that the slot of this name asked before.

    Slots are numbered: without the first team's services the second team gets its number, and the
    author signed in a slot, not for a team.
    """
    before = {owner.slot: owner for owner in old.owners}
    return all(
        owner.slot in before
        and owner.team == before[owner.slot].team
        and set(owner.services) <= set(before[owner.slot].services)
        for owner in new.owners
    )


def _failed(checks: tuple[Check, ...]) -> frozenset[str]:
    return frozenset(check.name for check in checks if check.outcome is Outcome.FAIL)


def _moved(old: tuple[Pinned, ...], new: tuple[Pinned, ...]) -> str:
    signed = {entry.locator: entry for entry in old}
    for entry in new:
        before = signed.get(entry.locator)
        if before is None or not before.same_as(entry):
            return f"the state of {entry.locator} is not the signed one"
    return ""
