"""The observation of a target, and the pin: those of its fields that must not change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from audit.tlog.canonical import Json, encode
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue, TargetUnobservable, WrongType
from remediation.domain.fields import Fields
from remediation.domain.plan import MAX_STEPS, Plan
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 256 * 1024


@dataclass(frozen=True)
class Observation:
    """One target as the worker read it.

    `state` has exactly the pin fields of the action; `shown` is for people only and never pinned
    (times, session counts). `simulated` is true when the target is a simulator.
    """

    exists: bool
    state: Mapping[str, Json]
    shown: Mapping[str, Json]
    simulated: bool

    def to_json(self) -> dict[str, Json]:
        return {
            "exists": self.exists,
            "state": dict(self.state),
            "shown": dict(self.shown),
            "simulated": self.simulated,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Observation:
        source = Fields(value, at, required=("exists", "state", "shown", "simulated"))
        return cls(
            exists=source.boolean("exists"),
            state=source.mapping("state"),
            shown=source.mapping("shown"),
            simulated=source.boolean("simulated"),
        )


@dataclass(frozen=True)
class Pinned:
    """The pinned state of one target."""

    locator: str
    exists: bool
    state: Mapping[str, Json]

    def to_json(self) -> dict[str, Json]:
        return {"locator": self.locator, "exists": self.exists, "state": dict(self.state)}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Pinned:
        source = Fields(value, at, required=("locator", "exists", "state"))
        return cls(
            locator=source.text("locator", 500, least=1),
            exists=source.boolean("exists"),
            state=source.mapping("state"),
        )

    def only(self, fields: Collection[str]) -> Pinned:
        """Return the same with only these fields of the state."""
        state = {name: value for name, value in self.state.items() if name in fields}
        return Pinned(self.locator, self.exists, state)

    def same_as(self, other: Pinned) -> bool:
        """Compare as JSON, where true is not 1; Python's == treats them as equal."""
        return encode(self.to_json()) == encode(other.to_json())


@dataclass(frozen=True)
class Unobservable:
    """A target that cannot be observed now, and why."""

    locator: str
    why: str

    def to_json(self) -> dict[str, Json]:
        return {"locator": self.locator, "why": self.why}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Unobservable:
        source = Fields(value, at, required=("locator", "why"))
        return cls(source.text("locator", 500, least=1), source.text("why", 4_000))


def pin(plan: Plan, observations: Mapping[str, Observation | None]) -> bytes:
    """Return the canonical pin of a plan's targets, in step order.

    In: observations by locator. Raises TargetUnobservable when one is missing, BadValue when a
    state does not have exactly the pin fields that the actions on that target declare.
    """
    fields: dict[str, set[str]] = {}
    for step in plan.steps:
        fields.setdefault(step.target.locator, set()).update(step.spec.pin_fields)
    targets: list[Json] = []
    for step in plan.steps:
        locator = step.target.locator
        seen = observations.get(locator)
        if seen is None:
            raise TargetUnobservable(locator)
        if seen.exists and set(seen.state) != fields[locator]:
            raise BadValue(f"{locator}: the state must have exactly {sorted(fields[locator])}")
        whole = Pinned(locator, seen.exists, seen.state)
        targets.append(whole.only(step.spec.pin_fields).to_json())
    return encode({"targets": targets})


def parse_pin(body: bytes) -> tuple[Pinned, ...]:
    """Parse a pin. Raises BadInput unless it is canonical and well-formed."""
    value = parse_json(body, max_bytes=MAX_BYTES)
    source = Fields(value, required=("targets",))
    targets = source.array("targets", Pinned.from_json, least=1, most=MAX_STEPS)
    if encode(value) != body:
        raise BadValue("the pin is not canonical")
    return targets


def observation_body(observations: Mapping[str, Observation | None]) -> bytes:
    """Return the canonical body of the observations by locator; null for an unobservable target."""
    return encode(
        {
            locator: seen.to_json() if seen is not None else None
            for locator, seen in observations.items()
        }
    )


def parse_observations(body: bytes) -> dict[str, Observation | None]:
    """Parse a stored body of observations. Raises BadInput."""
    value = parse_json(body, max_bytes=len(body))
    if not isinstance(value, dict):
        raise WrongType("not an object")
    return {
        locator: Observation.from_json(item) if item is not None else None
        for locator, item in value.items()
    }


def pin_digest(body: bytes) -> str:
    return digest(Kind.PIN, body)
