"""Prove that a plan is narrower than another, and that a signed narrowing counts as an approval.

The web process, the worker's assessment and the gate ask the same pure functions. A narrower plan
can only take effects away, so its author stays able to approve it (promise 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from audit.tlog.canonical import Json, encode
from remediation.domain import scope_gaps
from remediation.domain.catalogue import Narrows
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import BadValue
from remediation.domain.observation import Pinned
from remediation.domain.plan import Plan, Step, parse
from remediation.domain.ruling import Ruling, tightened
from remediation.domain.scope import Scope

T = TypeVar("T")

# A narrowing counts in the first round of the narrowed proposal. Each later one has an assessment
# that its author has not seen.
ROUND = 1


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
    steps: list[Json] = []
    for one in kept:
        if not 0 <= one.step < len(old.steps):
            raise BadValue("the plan has no such step", pointer="/steps")
        steps.append({**old.steps[one.step].to_json(), "parameters": dict(one.parameters)})
    value: Json = {"version": 1, "environment": old.environment, "steps": steps}
    return parse(value, protected=protected, allow_test=allow_test, earlier=True)


def is_narrower(old: Plan, new: Plan) -> bool:
    """Return whether the new plan does nothing that the old one does not; a plan is so itself."""
    return not why_wider(old, new)


def why_wider(old: Plan, new: Plan) -> str:
    """Return what the new plan does beyond the old one; "" if it is narrower.

    Narrower is: the same environment, and some of the old steps in their order, each on the same
    target by the same version of the same action, with parameters that are equal or smaller as
    the catalogue declares.
    """
    if new.environment != old.environment:
        return f"the environment is {new.environment}, it was {old.environment}"
    if not new.steps:
        return "no step is left"
    missing = _first_missing(old.steps, new.steps, _is_narrower_step)
    if missing is None:
        return ""
    return f"step {missing + 1} is not a step of the old plan, at its place and no wider"


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


def _is_narrower_step(old: Step, new: Step) -> bool:
    same = (old.action, old.executor, old.rollback) == (new.action, new.executor, new.rollback)
    if not same or encode(old.target.to_json()) != encode(new.target.to_json()):
        return False
    # Leaving a parameter out can mean "all of them".
    if set(old.parameters) != set(new.parameters):
        return False
    return all(
        _is_smaller(old.spec.narrows.get(name), old.parameters[name], new.parameters[name])
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
    return tightened(old, new.requirements) or ""


def _reaches(old: Scope, new: Scope) -> str:
    targets = {encode(target.to_json()) for target in old.targets}
    services = {encode(service.to_json()) for service in old.services}
    within = all(encode(target.to_json()) in targets for target in new.targets) and all(
        encode(service.to_json()) in services for service in new.services
    )
    if not within:
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
