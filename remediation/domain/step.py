"""One step of a plan: an action of the catalogue on one target, and what comes after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.catalogue import (
    ACTIONS,
    MAX_LOCATOR,
    TARGETS,
    ActionSpec,
    TargetSpec,
    is_test,
)
from remediation.domain.catalogue.locators import fields_of, is_plain, locator_of
from remediation.domain.errors import (
    BadReference,
    BadValue,
    LoneSurrogate,
    MissingField,
    TooLarge,
    UnknownTargetKind,
    WrongType,
)
from remediation.domain.fields import Fields
from remediation.domain.waits import Made, Reference, Wait, is_reference


@dataclass(frozen=True)
class Target:
    """One thing that an action works on."""

    kind: str
    fields: Mapping[str, str]

    @property
    def locator(self) -> str:
        return locator_of(TARGETS[self.kind], self.fields)

    @property
    def distinguishing(self) -> str:
        """Return the value that distinguishes this target from its neighbours."""
        return self.fields[TARGETS[self.kind].distinguishing]

    def describe(self, sentence: str, more: Mapping[str, str] = MappingProxyType({})) -> str:
        """Return a sentence of the catalogue with this target's values, and with `more` of them.

        A free value that a reader could take for more or less than a name is quoted, so that no
        name adds words to the portal's sentence (A01).
        """
        escaped = TARGETS[self.kind].escaped
        return sentence.format_map(
            {
                **more,
                **{
                    name: format_name(value) if name in escaped else value
                    for name, value in self.fields.items()
                },
            }
        )

    def to_json(self) -> dict[str, Json]:
        return {"kind": self.kind, **self.fields}

    def __hash__(self) -> int:
        return hash(self.locator)


@dataclass(frozen=True)
class Step:
    """One action on one target. `executor` is the version of the action that was approved.

    `wait` comes after it. A parameter may be a reference to what an earlier step makes; `patterns`
    has, by parameter, what that value must match.
    """

    index: int
    action: str
    executor: int
    target: Target
    parameters: Mapping[str, Json]
    rollback: str | None
    wait: Wait | None = None
    patterns: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def spec(self) -> ActionSpec:
        return ACTIONS[self.action].of_version(self.executor) or ACTIONS[self.action]

    @property
    def sentence(self) -> str:
        """Return what the step does, in the portal's words."""
        return self.target.describe(self.spec.sentence)

    @property
    def references(self) -> Iterator[tuple[str, Reference]]:
        """Yield each parameter that is a reference, and what it refers to."""
        for name in self.spec.references:
            value = self.parameters.get(name)
            if is_reference(value):
                yield name, Reference.from_json(value)

    def to_json(self) -> dict[str, Json]:
        return {
            "action": self.action,
            "executor": self.executor,
            "target": self.target.to_json(),
            "parameters": dict(self.parameters),
            "rollback": self.rollback,
            **({} if self.wait is None else {"wait": self.wait.to_json()}),
        }


def resolved(step: Step, made: Made) -> Step:
    """Return the step with the values that earlier steps made in place of its references.

    Raises BadReference when a value is not there, or is not what its maker declares.
    """
    values = {name: _made(step, name, one, made) for name, one in step.references}
    if not values:
        return step
    return replace(step, parameters=MappingProxyType({**step.parameters, **values}))


def _made(step: Step, name: str, reference: Reference, made: Made) -> str:
    at = f"/steps/{step.index}/parameters/{name}"
    value = made.get(reference.made_by, {}).get(reference.name)
    if value is None:
        raise BadReference(
            f"step {reference.made_by + 1} has not made {reference.name}", pointer=at
        )
    if not re.fullmatch(step.patterns.get(name, "(?!)"), value, re.ASCII):
        raise BadReference(
            f"what step {reference.made_by + 1} made is no {reference.name}", pointer=at
        )
    return value


def format_name(value: str) -> str:
    """Return a free value for a sentence: quoted unless letters, digits and `_ $ . -` alone."""
    return value if is_plain(value) else inert.quoted(value)


def parse_target(value: Json, at: str = "", *, allow_test: bool = False) -> Target:
    """Parse a target object: `{"kind": …}` and exactly the fields of its kind."""
    if not isinstance(value, dict):
        raise WrongType("not an object", pointer=at)
    if "kind" not in value:
        raise MissingField("kind", pointer=at)
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in TARGETS or (is_test(kind) and not allow_test):
        raise UnknownTargetKind(repr(kind)[:100], pointer=f"{at}/kind")
    spec = TARGETS[kind]
    source = Fields(value, at, required=("kind", *spec.fields))
    fields = {name: _value(source, spec, name) for name in spec.fields}
    target = Target(kind, MappingProxyType(fields))
    if len(target.locator) > MAX_LOCATOR:
        raise TooLarge(f"the identity's locator has over {MAX_LOCATOR} characters", pointer=at)
    return target


def target_at(locator: str, *, allow_test: bool = False) -> Target:
    """Return the target that a locator names. Raises BadInput."""
    spec = TARGETS.get(locator.partition(":")[0])
    fields = fields_of(spec, locator) if spec else None
    if spec is None or fields is None:
        raise BadValue(f"{locator[:MAX_LOCATOR]!r} is not the locator of a target")
    return parse_target({"kind": spec.kind, **fields}, allow_test=allow_test)


def _value(source: Fields, spec: TargetSpec, name: str) -> str:
    pattern, most = spec.fields[name], spec.escaped.get(name)
    if most is None:
        return source.matching(name, _compiled(pattern), f"a {name}")
    what = f"a {name}: these are texts of 1 to {most} bytes of UTF-8 without NUL"
    value = source.matching(name, re.compile(pattern, re.ASCII), what)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise LoneSurrogate(name, pointer=source.at(name)) from None
    if size > most:
        raise BadValue(f"not {what}; it has {size}", pointer=source.at(name))
    return value


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a field's pattern; no such field may contain "/", the separator of locators."""
    return re.compile(rf"(?![\s\S]*/)(?:{pattern})", re.ASCII)
