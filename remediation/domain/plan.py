"""The plan: ordered steps as one canonical byte string that is shown, signed and executed.

Version 2 can say more than version 1: an order, waits, values that earlier steps make, and several
steps on one target (plan_rules.py). A plan of version 1 keeps its bytes for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from jsonschema import Draft202012Validator, ValidationError

from audit.tlog.canonical import Json, encode
from remediation.domain import plan_rules
from remediation.domain.catalogue import ACTIONS, TARGETS, ActionSpec, is_test
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import (
    BadValue,
    MissingField,
    NotCanonicalPlan,
    ProtectedTarget,
    TooLarge,
    UnknownAction,
    UnknownField,
    UnknownTargetKind,
    WrongType,
)
from remediation.domain.fields import Fields
from remediation.domain.step import (
    Step,
    Target,
    format_name,
    parse_target,
    resolved,
    target_at,
)
from remediation.domain.strict import parse as parse_json
from remediation.domain.waits import Order, Reference, Wait, is_reference

__all__ = [
    "ENVIRONMENTS",
    "MAX_BYTES",
    "MAX_STEPS",
    "SECOND",
    "Order",
    "Plan",
    "Step",
    "Target",
    "check_step",
    "format_name",
    "load",
    "parse",
    "parse_target",
    "resolved",
    "target_at",
    "written",
]

MAX_BYTES = 32 * 1024
MAX_STEPS = 16
ENVIRONMENTS = ("production", "staging", "development")
FIRST, SECOND = 1, 2


@dataclass(frozen=True)
class Plan:
    """Ordered steps; `body` is their canonical form and `digest` its digest."""

    environment: str
    steps: tuple[Step, ...]
    body: bytes = field(repr=False)
    digest: str
    version: int = FIRST
    order: Order = Order.NONE

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(step.target for step in self.steps)

    @property
    def outdated(self) -> bool:
        """Return whether it is for an earlier version of an action; such a plan never runs."""
        return any(step.executor != ACTIONS[step.action].version for step in self.steps)

    @property
    def waits(self) -> Mapping[int, Wait]:
        """Return the plan's own waits by the step that they come after."""
        return {step.index: step.wait for step in self.steps if step.wait is not None}


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
    top = Fields(value, at, required=("version", "environment", "steps"), optional=("order",))
    version = top.integer("version", FIRST, SECOND)
    order = _order(top, version)
    environment = top.one_of("environment", ENVIRONMENTS)
    read = _Reader(version, protected, allow_test, earlier)
    steps = tuple(
        read.step(index, item, f"{top.at('steps')}/{index}")
        for index, item in enumerate(top.array("steps", lambda v, _: v, least=1, most=MAX_STEPS))
    )
    steps = plan_rules.judged(steps, order, top.at("steps"), second=version == SECOND)
    body = encode(
        {
            "version": version,
            "environment": environment,
            **({"order": order.value} if version == SECOND else {}),
            "steps": [step.to_json() for step in steps],
        }
    )
    if len(body) > MAX_BYTES:
        raise TooLarge(f"the plan has {len(body)} bytes, {MAX_BYTES} allowed")
    return Plan(environment, steps, body, digest(Kind.PLAN, body), version, order)


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


def written(
    environment: str, steps: Sequence[dict[str, Json]], order: Order = Order.NONE
) -> dict[str, Json]:
    """Return a plan's JSON to parse: version 2 only if it says something that 1 cannot."""
    value: dict[str, Json] = {
        "version": FIRST, "environment": environment, "steps": list(steps)
    }  # fmt: skip
    if order is Order.NONE and not any(_says_more(step) for step in steps):
        targets = [encode(step.get("target")) for step in steps]
        if len(set(targets)) == len(targets):
            return value
    return {**value, "version": SECOND, "order": order.value}


def _says_more(step: Mapping[str, Json]) -> bool:
    parameters = step.get("parameters")
    referring = isinstance(parameters, dict) and any(map(is_reference, parameters.values()))
    return "wait" in step or referring


def check_step(
    value: Json, at: str, *, protected: frozenset[str], allow_test: bool = False
) -> None:
    """Raise the BadInput that `parse` finds in one step by itself: in its target or parameters."""
    _Reader(SECOND, protected, allow_test, earlier=False).step(0, value, at)


def _order(top: Fields, version: int) -> Order:
    if version == FIRST:
        if "order" in top:
            raise UnknownField("'order'", pointer=top.pointer)
        return Order.NONE
    if "order" not in top:
        raise MissingField("order", pointer=top.pointer)
    return Order(top.one_of("order", tuple(Order)))


@dataclass(frozen=True)
class _Reader:
    """Reads the steps of one plan, each by itself."""

    version: int
    protected: frozenset[str]
    allow_test: bool
    earlier: bool

    def step(self, index: int, value: Json, at: str) -> Step:
        more = ("wait",) if self.version == SECOND else ()
        source = Fields(
            value,
            at,
            required=("action", "target", "parameters"),
            optional=("executor", "rollback", *more),
        )
        spec = self._spec(source)
        target = parse_target(
            source.value("target"), source.at("target"), allow_test=self.allow_test
        )
        if target.kind != spec.target_kind:
            raise UnknownTargetKind(
                f"{spec.kind} works on {spec.target_kind}", pointer=source.at("target")
            )
        _refuse_protected(target, source.at("target"), self.protected)
        parameters = source.mapping("parameters")
        referring = frozenset(
            name
            for name in spec.references
            if self.version == SECOND and is_reference(parameters.get(name))
        )
        for name in referring:
            Reference.from_json(parameters[name], f"{source.at('parameters')}/{name}")
        _check_parameters(spec, parameters, source.at("parameters"), referring)
        return Step(
            index,
            spec.kind,
            spec.version,
            target,
            MappingProxyType(parameters),
            spec.rollback,
            Wait.from_json(source.value("wait"), source.at("wait")) if "wait" in source else None,
        )

    def _spec(self, source: Fields) -> ActionSpec:
        """Return the action in the stated version; without one, in today's."""
        action = source.text("action", 200)
        if action not in ACTIONS or (is_test(action) and not self.allow_test):
            raise UnknownAction(repr(action), pointer=source.at("action"))
        spec = ACTIONS[action]
        if "executor" in source:
            versions = [each.version for each in (spec, *spec.earlier)]
            first = min(versions) if self.earlier else spec.version
            stated = source.integer("executor", first, spec.version)
            spec = spec.of_version(stated) or spec
        if "rollback" in source and source.value("rollback") != spec.rollback:
            raise BadValue(f"must be {spec.rollback}", pointer=source.at("rollback"))
        return spec


def _refuse_protected(target: Target, at: str, protected: frozenset[str]) -> None:
    for rule in TARGETS[target.kind].protected:
        value = target.fields[rule.field]
        if _matches(rule.pattern, value) if rule.pattern else value in protected:
            raise ProtectedTarget(rule.why, pointer=f"{at}/{rule.field}")


def _matches(pattern: str, value: str) -> bool:
    # DOTALL: else a line break in a free value would lead around ".*".
    return re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL) is not None


@cache
def _validator(action: str, version: int, referring: frozenset[str]) -> Draft202012Validator:
    """Return the validator of an action's parameters; it takes any value for those that refer."""
    spec = ACTIONS[action].of_version(version) or ACTIONS[action]
    schema = dict(spec.parameters)
    properties = schema["properties"]
    assert isinstance(properties, dict)  # the registry refuses any other schema
    schema["properties"] = {**properties, **dict.fromkeys(referring, True)}
    return Draft202012Validator(schema)


_SCHEMA_REFUSALS = {
    "additionalProperties": UnknownField,
    "required": MissingField,
    "type": WrongType,
}


def _check_parameters(
    spec: ActionSpec, parameters: dict[str, Json], at: str, referring: frozenset[str]
) -> None:
    error: ValidationError
    for error in _validator(spec.kind, spec.version, referring).iter_errors(parameters):
        refusal = _SCHEMA_REFUSALS.get(str(error.validator), BadValue)
        place = "".join(f"/{part}" for part in error.absolute_path)
        raise refusal(error.message[:200], pointer=at + place)
