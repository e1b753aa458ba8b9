"""What the worker read of an identity for people who look now, and how a page says it. Pure.

It is never pinned and never signed: the pin of a round stays what people decide about. A page shows
both, and says where they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import containment
from remediation.domain.catalogue import ACTIONS, Live, kind_of
from remediation.domain.catalogue.spec import ActionSpec
from remediation.domain.errors import BadInput
from remediation.domain.fields import Fields
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, format_name, target_at
from remediation.domain.strict import parse as parse_json

# The guard has the same number.
MAX_BYTES = 64 * 1024
# What a target may make longer without limit is cut to this, deep inside too.
_TEXT, _ITEMS, _DEPTH = 300, 40, 4
_NAME = re.compile(r"\{(\w+)\}")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]00(?::?00)?)", re.ASCII
)


class Found(StrEnum):
    """What all places of an identity show together; the words of containment, and one more."""

    ACCESS = "access"
    WITHOUT = "without"
    UNREAD = "unread"
    # The inventory does not have it, so nobody looked.
    NOT_KNOWN = "not_known"


@dataclass(frozen=True)
class Reading:
    """One reading of one identity; `observation` is None where it could not be read."""

    at: str
    observation: Observation | None
    places: tuple[containment.SeenPlace, ...] = ()
    why: str = ""
    known: bool = True

    @property
    def found(self) -> Found:
        if not self.known:
            return Found.NOT_KNOWN
        return Found(containment.found(self.places)) if self.observation else Found.UNREAD

    def body(self) -> bytes:
        """Return the canonical bytes, of limited length whatever the target holds."""
        seen = self.observation.to_json() if self.observation else None
        value: dict[str, Json] = {
            "at": self.at,
            "why": self.why[:500],
            "observation": bounded(seen),
            "places": bounded([one.to_json() for one in self.places]),
            "known": self.known,
        }
        whole = encode(value)
        if len(whole) <= MAX_BYTES:
            return whole
        why = "the target shows more than the portal keeps"
        return encode({**value, "observation": None, "places": [], "why": why})

    @classmethod
    def parse(cls, body: bytes) -> Reading:
        """Parse a stored body. Raises BadInput."""
        source = Fields(
            parse_json(body, max_bytes=MAX_BYTES),
            "",
            required=("at", "why", "observation", "places", "known"),
        )
        seen = source.value("observation")
        return cls(
            at=source.text("at", 40),
            observation=Observation.from_json(seen, "/observation") if seen is not None else None,
            places=containment.places(source.value("places")),
            why=source.text("why", 500),
            known=source.boolean("known"),
        )


def bounded(value: Json, depth: int = 0) -> Json:
    """Return the value with long texts and lists cut, and said to be."""
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    if isinstance(value, list):
        cut = [bounded(one, depth + 1) for one in value[:_ITEMS]] if depth < _DEPTH else []
        rest = len(value) - len(cut)
        return [*cut, *([f"and {rest} more"] if rest else [])]
    if isinstance(value, dict):
        if depth >= _DEPTH:
            return "…"
        return {key[:_TEXT]: bounded(one, depth + 1) for key, one in [*value.items()][:_ITEMS]}
    return value


def step_for(locator: str, action: str = "") -> Step | None:
    """Return a step by which the worker can read the identity; None if no action works on it.

    With `action`, that of the plan, so that what is read has the fields that were pinned.
    """
    spec = ACTIONS.get(action) or _reading_action(locator)
    try:
        target = target_at(locator, allow_test=True)
    except BadInput:
        return None
    if spec is None or spec.target_kind != target.kind:
        return None
    return Step(0, spec.kind, spec.version, target, {}, spec.rollback)


def _reading_action(locator: str) -> ActionSpec | None:
    kind = kind_of(locator)
    fitting = [one for one in ACTIONS.values() if kind and one.target_kind == kind.kind]
    # One that takes access away names the places where the identity can get in.
    return next((one for one in fitting if one.removes_access), fitting[0] if fitting else None)


@dataclass(frozen=True)
class Line:
    """One sentence of the catalogue; "{name}" in it stands for a value, which is untrusted."""

    sentence: str
    values_untrusted: Mapping[str, str]
    # A list that is shown below the sentence, one name in a line.
    items_untrusted: tuple[str, ...] = ()
    unknown: bool = False

    def fill(self, sentence: str) -> str:
        """Return a translation of the sentence with its values; the result is untrusted, too."""
        # One pass: braces in a value stay what they are.
        return _NAME.sub(lambda found: self.values_untrusted.get(found[1], found[0]), sentence)


def lines(kind: str, observation: Observation) -> Iterator[Line]:
    """Yield what the kind's declaration says about an observation."""
    target = kind_of(f"{kind}:")
    seen = {**observation.shown, **observation.state}
    words = {name: _format(value) for name, value in seen.items()}
    for live in target.live if target is not None else ():
        line = _line(live, seen, words)
        if line.sentence:
            yield line


def _line(live: Live, seen: Mapping[str, Json], words: Mapping[str, str]) -> Line:
    if live.field not in seen:
        return Line(live.unknown, words, unknown=True)
    value = seen[live.field]
    if live.values:
        return Line(live.values.get(_key(value), live.present), words)
    if not value:
        return Line(live.absent, words)
    items = tuple(_format(one) for one in value) if isinstance(value, list) else ()
    return Line(live.present, words, items if f"{{{live.field}}}" not in live.present else ())


def _key(value: Json) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _format(value: Json) -> str:
    """Format a value so that it does not read as words of the sentence."""
    if isinstance(value, list):
        return ", ".join(_format(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_format(one)}" for name, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and (time := _TIME.fullmatch(value)):
        return f"{time[1]} {time[2]} UTC"
    return format_name(value) if isinstance(value, str) else str(value)


def differences(
    pinned: Mapping[str, Json], pinned_exists: bool, reading: Reading
) -> tuple[tuple[str, Json, Json], ...]:
    """Return the pinned fields that are otherwise now: name, pinned value, value now.

    Only what was read is compared; a field of another action's pin is not. Compares as JSON, where
    true is not 1.
    """
    now = reading.observation
    if now is None:
        return ()
    if now.exists != pinned_exists:
        return (("exists", pinned_exists, now.exists),)
    return tuple(
        (name, value, now.state[name])
        for name, value in sorted(pinned.items())
        if name in now.state and encode(now.state[name]) != encode(value)
    )
