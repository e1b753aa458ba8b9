"""A plan as a person types it: every field as text, and every problem at its place.

`plan.parse` refuses the first problem that it finds; a person wants all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from audit.tlog.canonical import Json
from remediation.domain import plan as plans
from remediation.domain.catalogue import ACTIONS, TARGETS, is_test
from remediation.domain.catalogue.spec import ActionSpec, TargetSpec
from remediation.domain.errors import (
    BadInput,
    BadValue,
    MissingField,
    TooLarge,
    UnknownAction,
    UnknownTargetKind,
)
from remediation.domain.inert import visible
from remediation.domain.plan import ENVIRONMENTS, Order, Plan, Step, Target
from remediation.domain.schema_inputs import inputs_of
from remediation.domain.waits import Reference, Wait

MIN_RATIONALE = 10
MAX_RATIONALE = 2_000
_MOST_DIGITS = 9


# What an earlier step makes, as it is typed in place of a value.
REFERENCE = re.compile(r"steps/([0-9]{1,3})/made/([a-z][a-z0-9_]{0,59})", re.ASCII)
CONDITION = re.compile(r"([a-z_]{1,60})(?:/([0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True)
class DraftWait:
    """A typed wait. A condition is a name, or "name/2" for one at the target of step 2."""

    conditions: tuple[str, ...] = ()
    person: bool = False
    within_s: str = ""


@dataclass(frozen=True)
class DraftStep:
    """One typed step. `locator` names a target that was offered; else `fields` were typed.

    A parameter may be typed as "steps/0/made/name", which an earlier step makes.
    """

    action: str
    locator: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    wait: DraftWait | None = None

    @property
    def spec(self) -> ActionSpec | None:
        return ACTIONS.get(self.action)

    @property
    def target_spec(self) -> TargetSpec | None:
        return TARGETS[self.spec.target_kind] if self.spec else None


@dataclass(frozen=True)
class Draft:
    """A plan under way."""

    environment: str = ""
    steps: tuple[DraftStep, ...] = ()
    rationale: str = ""
    order: str = Order.NONE


@dataclass(frozen=True)
class Problem:
    """What is wrong, as a refusal, and its place: a JSON pointer into the draft."""

    pointer: str
    refusal: BadInput


def draft_of(plan: Plan) -> Draft:
    """Return a plan as a draft, to begin with; the rationale is the planner's own."""
    return Draft(plan.environment, tuple(map(_as_typed, plan.steps)), order=plan.order)


def _as_typed(step: Step) -> DraftStep:
    refers = {name: f"steps/{one.made_by}/made/{one.name}" for name, one in step.references}
    typed = {
        one.name: one.show(step.parameters[one.name])
        for one in inputs_of(step.spec.parameters)
        if one.name in step.parameters
    }
    wait = None
    if step.wait is not None:
        names = tuple(f"{one.name}/{one.step}" for one in step.wait.conditions)
        wait = DraftWait(names, step.wait.person, str(step.wait.within_s))
    return DraftStep(step.action, step.target.locator, {}, {**typed, **refers}, wait)


def typed_target(step: DraftStep, *, allow_test: bool = False) -> Target | None:
    """Return the target of a typed step; None while something is wrong with it."""
    if step.spec is None:
        return None
    target, problems = _target(step, step.spec, "", allow_test)
    return None if problems else target


def check(
    draft: Draft, *, protected: frozenset[str], allow_test: bool = False
) -> tuple[Plan | None, tuple[Problem, ...]]:
    """Return the plan, or None and every problem. The rationale is looked at, too."""
    problems: list[Problem] = list(_of_rationale(draft.rationale))
    if draft.environment not in ENVIRONMENTS:
        problems.append(Problem("/environment", MissingField("environment")))
    if not draft.steps:
        problems.append(Problem("/steps", MissingField("steps")))
    if len(draft.steps) > plans.MAX_STEPS:
        problems.append(Problem("/steps", TooLarge(f"at most {plans.MAX_STEPS} steps")))
    if draft.order not in tuple(Order):
        problems.append(Problem("/order", BadValue(f"not one of {', '.join(Order)}")))
    steps: list[dict[str, Json]] = []
    for index, step in enumerate(draft.steps):
        value, found = _step(step, f"/steps/{index}", protected, allow_test)
        if step.wait is not None:
            value["wait"], late = _wait(step.wait, index, f"/steps/{index}/wait")
            found += late
        steps.append(value)
        problems += found
    if problems:
        return None, tuple(problems)
    try:
        made = plans.parse(
            plans.written(draft.environment, steps, Order(draft.order)),
            protected=protected,
            allow_test=allow_test,
        )
    except BadInput as error:
        return None, (Problem(error.pointer, error),)
    return made, ()


def _of_rationale(rationale: str) -> Iterator[Problem]:
    stripped = rationale.strip()
    if len(stripped) < MIN_RATIONALE:
        yield Problem("/rationale", MissingField(f"at least {MIN_RATIONALE} characters"))
    elif len(stripped) > MAX_RATIONALE:
        yield Problem("/rationale", TooLarge(f"at most {MAX_RATIONALE} characters"))
    elif visible(stripped) != stripped:
        yield Problem("/rationale", BadValue("invisible characters"))


def _step(
    step: DraftStep, at: str, protected: frozenset[str], allow_test: bool
) -> tuple[dict[str, Json], list[Problem]]:
    """Return a step's JSON and its problems."""
    spec = step.spec
    if spec is None or (is_test(step.action) and not allow_test):
        return {}, [Problem(f"{at}/action", UnknownAction(repr(step.action)[:100]))]
    target, problems = _target(step, spec, f"{at}/target", allow_test)
    parameters, more = _parameters(step, spec, f"{at}/parameters")
    value: dict[str, Json] = {
        "action": spec.kind,
        "target": target.to_json() if target else {},
        "parameters": parameters,
    }
    problems += more
    if not problems:
        problems += _of_step(value, at, protected, allow_test)
    return value, problems


def _of_step(
    value: dict[str, Json], at: str, protected: frozenset[str], allow_test: bool
) -> list[Problem]:
    """Return what `plan.parse` finds in the step alone: a protected target, a parameter."""
    try:
        plans.check_step(value, at, protected=protected, allow_test=allow_test)
    except BadInput as error:
        return [Problem(error.pointer, error)]
    return []


def _target(
    step: DraftStep, spec: ActionSpec, at: str, allow_test: bool
) -> tuple[Target | None, list[Problem]]:
    if step.locator:
        try:
            target = plans.target_at(step.locator, allow_test=allow_test)
        except BadInput as error:
            return None, [Problem(at, error)]
        if target.kind != spec.target_kind:
            return None, [Problem(at, UnknownTargetKind(f"{spec.kind} works on another kind"))]
        return target, []
    kind = TARGETS[spec.target_kind]
    values: dict[str, Json] = {"kind": kind.kind}
    problems: list[Problem] = []
    for name in kind.fields:
        typed = step.fields.get(name, "")
        # Spaces count in a free value; in any other one they were typed by mistake.
        typed = typed if name in kind.escaped else typed.strip()
        if not typed:
            problems.append(Problem(f"{at}/{name}", MissingField(name)))
        elif visible(typed) != typed:
            problems.append(Problem(f"{at}/{name}", BadValue("invisible characters")))
        values[name] = typed
    wrong = {problem.pointer for problem in problems}
    # With the example in place of what is wrong, the next wrong field shows.
    values |= {name: kind.example[name] for name in kind.fields if f"{at}/{name}" in wrong}
    for _ in kind.fields:
        try:
            return plans.parse_target(values, at, allow_test=allow_test), problems
        except BadInput as error:
            problems.append(Problem(error.pointer, error))
            name = error.pointer.removeprefix(f"{at}/")
            if name not in kind.fields:
                break
            values[name] = kind.example[name]
    return None, problems


def _parameters(
    step: DraftStep, spec: ActionSpec, at: str
) -> tuple[dict[str, Json], list[Problem]]:
    values: dict[str, Json] = {}
    problems: list[Problem] = []
    for each in inputs_of(spec.parameters):
        typed = step.parameters.get(each.name, "")
        refers = REFERENCE.fullmatch(typed.strip()) if each.name in spec.references else None
        if refers is not None:
            values[each.name] = Reference(int(refers[1]), refers[2]).to_json()
            continue
        try:
            values[each.name] = each.read(typed)
        except MissingField as error:
            if each.required:
                problems.append(Problem(f"{at}/{each.name}", error))
        except BadInput as error:
            problems.append(Problem(f"{at}/{each.name}", error))
    return values, problems


def _wait(wait: DraftWait, index: int, at: str) -> tuple[Json, list[Problem]]:
    """Return a wait's JSON after the step of this index, and its problems."""
    problems: list[Problem] = []
    conditions: list[Json] = []
    for number, typed in enumerate(wait.conditions):
        named = CONDITION.fullmatch(typed.strip())
        if named is None:
            problems.append(Problem(f"{at}/conditions/{number}", BadValue("not a condition")))
        else:
            conditions.append({"condition": named[1], "step": int(named[2] or index)})
    within = wait.within_s.strip()
    if not within:
        problems.append(Problem(f"{at}/within_s", MissingField("within_s")))
    elif not (within.isascii() and within.isdecimal() and len(within) <= _MOST_DIGITS):
        problems.append(Problem(f"{at}/within_s", BadValue("not a whole number of seconds")))
    if problems:
        return {}, problems
    value: Json = {"conditions": conditions, "person": wait.person, "within_s": int(within)}
    try:
        Wait.from_json(value, at)
    except BadInput as error:
        return value, [Problem(error.pointer, error)]
    return value, []
