"""The plan: ordered steps as one canonical byte string that is shown, signed and executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from jsonschema import Draft202012Validator, ValidationError

from audit.tlog.canonical import Json, encode
from remediation.domain.catalogue import ACTIONS, MAX_LOCATOR, TARGETS, ActionSpec, is_test
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import (
    BadValue,
    MissingField,
    NotCanonicalPlan,
    ProtectedTarget,
    TooLarge,
    TwoStepsOneTarget,
    UnknownAction,
    UnknownField,
    UnknownTargetKind,
    WrongType,
)
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 32 * 1024
MAX_STEPS = 16
ENVIRONMENTS = ("production", "staging", "development")


@dataclass(frozen=True)
class Target:
    """One thing that an action works on."""

    kind: str
    fields: Mapping[str, str]

    @property
    def locator(self) -> str:
        return TARGETS[self.kind].locator.format_map(self.fields)

    @property
    def distinguishing(self) -> str:
        """Return the value that distinguishes this target from its neighbours."""
        return self.fields[TARGETS[self.kind].distinguishing]

    def to_json(self) -> dict[str, Json]:
        return {"kind": self.kind, **self.fields}

    def __hash__(self) -> int:
        return hash(self.locator)


@dataclass(frozen=True)
class Step:
    """One action on one target. `executor` is the version of the action that was approved."""

    index: int
    action: str
    executor: int
    target: Target
    parameters: Mapping[str, Json]
    rollback: str | None

    @property
    def spec(self) -> ActionSpec:
        return ACTIONS[self.action].of_version(self.executor) or ACTIONS[self.action]

    @property
    def sentence(self) -> str:
        """Return what the step does, in the portal's words."""
        return self.spec.sentence.format_map(self.target.fields)

    def to_json(self) -> dict[str, Json]:
        return {
            "action": self.action,
            "executor": self.executor,
            "target": self.target.to_json(),
            "parameters": dict(self.parameters),
            "rollback": self.rollback,
        }


@dataclass(frozen=True)
class Plan:
    """Ordered steps; `body` is their canonical form and `digest` its digest."""

    environment: str
    steps: tuple[Step, ...]
    body: bytes = field(repr=False)
    digest: str

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(step.target for step in self.steps)

    @property
    def outdated(self) -> bool:
        """Return whether it is for an earlier version of an action; such a plan never runs."""
        return any(step.executor != ACTIONS[step.action].version for step in self.steps)


def parse(
    value: Json,
    *,
    protected: frozenset[str],
    allow_test: bool = False,
    at: str = "",
    earlier: bool = False,
) -> Plan:
    """Build a plan from an agent's JSON.

    In: the value, the names of the clusters that belong to the portal, whether test actions may
    be named, the plan's own JSON pointer. `executor` and `rollback` may be left out; they are
    filled from the catalogue. `earlier`: also accept the versions that actions once had.
    Raises a subclass of BadInput for anything unknown, missing or protected.
    """
    top = Fields(value, at, required=("version", "environment", "steps"))
    top.integer("version", 1, 1)
    environment = top.one_of("environment", ENVIRONMENTS)
    steps = tuple(
        _step(index, item, f"{top.at('steps')}/{index}", protected, allow_test, earlier)
        for index, item in enumerate(top.array("steps", lambda v, _: v, least=1, most=MAX_STEPS))
    )
    _refuse_two_steps_on_one_target(steps, top.at("steps"))
    body = encode(
        {"version": 1, "environment": environment, "steps": [step.to_json() for step in steps]}
    )
    if len(body) > MAX_BYTES:
        raise TooLarge(f"the plan has {len(body)} bytes, {MAX_BYTES} allowed")
    return Plan(environment, steps, body, digest(Kind.PLAN, body))


def load(
    body: bytes, *, protected: frozenset[str], allow_test: bool = False, earlier: bool = False
) -> Plan:
    """Parse a stored plan; its bytes must be exactly what today's catalogue encodes.

    `earlier`: to show or verify it, not to run it; it may be for earlier versions of actions.
    Raises NotCanonicalPlan, and the errors of `parse`.
    """
    value = parse_json(body, max_bytes=MAX_BYTES)
    plan = parse(value, protected=protected, allow_test=allow_test, earlier=earlier)
    if plan.body != body:
        raise NotCanonicalPlan()
    return plan


def parse_target(value: Json, at: str = "", *, allow_test: bool = False) -> Target:
    """Parse a target object: `{"kind": …}` and exactly the fields of its kind."""
    if not isinstance(value, dict):
        raise WrongType("not an object", pointer=at)
    if "kind" not in value:
        raise MissingField("kind", pointer=at)
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in TARGETS or (is_test(kind) and not allow_test):
        raise UnknownTargetKind(repr(kind)[:100], pointer=f"{at}/kind")
    patterns = TARGETS[kind].fields
    source = Fields(value, at, required=("kind", *patterns))
    fields = {
        name: source.matching(name, _compiled(p), f"a {name}") for name, p in patterns.items()
    }
    target = Target(kind, MappingProxyType(fields))
    if len(target.locator) > MAX_LOCATOR:
        raise TooLarge(f"the identity's locator has over {MAX_LOCATOR} characters", pointer=at)
    return target


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a field's pattern; no field may contain "/", the separator of locators."""
    return re.compile(rf"(?![\s\S]*/)(?:{pattern})", re.ASCII)


def _step(
    index: int,
    value: Json,
    at: str,
    protected: frozenset[str],
    allow_test: bool,
    earlier: bool,
) -> Step:
    source = Fields(
        value, at, required=("action", "target", "parameters"), optional=("executor", "rollback")
    )
    action = source.text("action", 200)
    if action not in ACTIONS or (is_test(action) and not allow_test):
        raise UnknownAction(repr(action), pointer=source.at("action"))
    spec = ACTIONS[action]
    if "executor" in source:
        first = min(each.version for each in (spec, *spec.earlier)) if earlier else spec.version
        stated = source.integer("executor", first, spec.version)
        spec = spec.of_version(stated) or spec
    if "rollback" in source and source.value("rollback") != spec.rollback:
        raise BadValue(f"must be {spec.rollback}", pointer=source.at("rollback"))
    target = parse_target(source.value("target"), source.at("target"), allow_test=allow_test)
    if target.kind != spec.target_kind:
        raise UnknownTargetKind(
            f"{action} works on {spec.target_kind}", pointer=source.at("target")
        )
    _refuse_protected(target, source.at("target"), protected)
    parameters = source.mapping("parameters")
    _check_parameters(spec, parameters, source.at("parameters"))
    return Step(index, action, spec.version, target, MappingProxyType(parameters), spec.rollback)


def _refuse_protected(target: Target, at: str, protected: frozenset[str]) -> None:
    for rule in TARGETS[target.kind].protected:
        value = target.fields[rule.field]
        if _matches(rule.pattern, value) if rule.pattern else value in protected:
            raise ProtectedTarget(rule.why, pointer=f"{at}/{rule.field}")


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value, re.IGNORECASE) is not None


@cache
def _validator(action: str, version: int) -> Draft202012Validator:
    spec = ACTIONS[action].of_version(version) or ACTIONS[action]
    return Draft202012Validator(dict(spec.parameters))


_SCHEMA_REFUSALS = {
    "additionalProperties": UnknownField,
    "required": MissingField,
    "type": WrongType,
}


def _check_parameters(spec: ActionSpec, parameters: dict[str, Json], at: str) -> None:
    error: ValidationError
    for error in _validator(spec.kind, spec.version).iter_errors(parameters):
        refusal = _SCHEMA_REFUSALS.get(str(error.validator), BadValue)
        place = "".join(f"/{part}" for part in error.absolute_path)
        raise refusal(error.message[:200], pointer=at + place)


def _refuse_two_steps_on_one_target(steps: tuple[Step, ...], at: str) -> None:
    seen: set[str] = set()
    for step in steps:
        if step.target.locator in seen:
            raise TwoStepsOneTarget(step.target.locator, pointer=f"{at}/{step.index}/target")
        seen.add(step.target.locator)
