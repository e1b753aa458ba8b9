"""Say which events a trail records now, and would not record with other selectors.

In each dimension: reads and writes, management events with what they leave out, data events and
network activity with their resources. What cannot be shown to be recorded afterwards counts as
lost, so more may be named than is lost, and never less. Two selectors that only together record
what one did are such a case. Insights are no part of selectors, and this call leaves them alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.tlog.canonical import Json
from remediation.executors.aws_left_out import (
    BASIC,
    HALVES,
    NEGATIVE,
    READS,
    WRITES,
    fields_of,
    halves,
    in_words,
    listed,
    plain,
    records_management,
)

ALL_MANAGEMENT = "all management events"
_MANAGEMENT = "management events: "
_CATEGORY, _READ_ONLY = "eventCategory", "readOnly"


@dataclass(frozen=True)
class _Condition:
    """What an event must have in one field: one of the values, or for a negation none of them."""

    field: str
    name: str
    values: frozenset[str]

    def follows_from(self, other: _Condition) -> bool:
        """Return whether each event with the other condition has this one."""
        if (self.field, self.name) == (other.field, other.name) and self.name in NEGATIVE:
            return self.values <= other.values
        if self.field != other.field or other.name in NEGATIVE:
            return False
        if self.name == "StartsWith" and other.name in ("StartsWith", "Equals"):
            return all(one.startswith(tuple(self.values)) for one in other.values)
        return self.name == other.name and other.values <= self.values

    def __str__(self) -> str:
        return f"{plain(self.field)} {self.name} {', '.join(sorted(map(plain, self.values)))}"


@dataclass(frozen=True)
class _Recorded:
    """Events of a category that are reads, or writes, and have all of the conditions."""

    half: str
    category: str
    conditions: frozenset[_Condition]

    def holds(self, other: _Recorded) -> bool:
        return (self.half, self.category) == (other.half, other.category) and all(
            any(mine.follows_from(one) for one in other.conditions) for mine in self.conditions
        )

    def __str__(self) -> str:
        said = " and ".join(sorted(map(str, self.conditions)))
        return f"{self.category} events{' with ' if said else ''}{said}"


def lost(now: Sequence[Mapping[str, Any]], afterwards: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return in words what `now` records and `afterwards` does not; nothing: it records it all."""
    return [*_lost_management(now, afterwards), *_lost_others(now, afterwards)]


def lost_half(now: Sequence[Mapping[str, Any]], afterwards: Sequence[Mapping[str, Any]]) -> str:
    """Return which half of the management events would not be recorded at all; "" for none."""
    held, left = halves(now), halves(afterwards)
    gone = [half for half in HALVES if held[half] is not None and left[half] is None]
    return " and ".join(gone)


def _lost_management(
    now: Sequence[Mapping[str, Any]], afterwards: Sequence[Mapping[str, Any]]
) -> Iterator[Json]:
    held, left = halves(now), halves(afterwards)
    missing = {half: _more(held[half], left[half]) for half in HALVES}
    for one in in_words(missing, ALL_MANAGEMENT):
        yield one if one == ALL_MANAGEMENT else f"{_MANAGEMENT}{one}"


def _more(held: set[str] | None, left: set[str] | None) -> set[str] | None:
    """Return what is left out beyond what is left out now; None: all of the half."""
    if held is None:
        return set()
    return None if left is None else left - held


def _lost_others(
    now: Sequence[Mapping[str, Any]], afterwards: Sequence[Mapping[str, Any]]
) -> list[Json]:
    kept = [*_recorded(afterwards)]
    found: dict[str, set[str]] = {}
    for one in _recorded(now):
        if not any(other.holds(one) for other in kept):
            found.setdefault(str(one), set()).add(one.half)
    return [
        said if len(gone) == len(HALVES) else f"{said} ({gone.pop()})"
        for said, gone in sorted(found.items())
    ]


def _recorded(selectors: Sequence[Mapping[str, Any]]) -> Iterator[_Recorded]:
    """Yield what selectors record besides management events."""
    for selector in selectors:
        if fields_of(selector):
            if not records_management(selector):
                yield from _advanced(selector)
        else:
            yield from _basic(selector)


def _advanced(selector: Mapping[str, Any]) -> Iterator[_Recorded]:
    category, conditions = "", set[_Condition]()
    taken: tuple[str, ...] = HALVES
    for one in fields_of(selector):
        held = one if isinstance(one, dict) else {"Field": "?", "Equals": [one]}
        if held == {"Field": _READ_ONLY, "Equals": ["true"]}:
            taken = (READS,)
        elif held == {"Field": _READ_ONLY, "Equals": ["false"]}:
            taken = (WRITES,)
        elif held.keys() == {"Field", "Equals"} and held["Field"] == _CATEGORY:
            category += ", ".join(map(plain, listed(held["Equals"])))
        else:
            conditions |= {*_conditions(held)}
    yield from (_Recorded(half, category, frozenset(conditions)) for half in taken)


def _conditions(held: Mapping[str, Any]) -> Iterator[_Condition]:
    for name, values in held.items():
        if name != "Field":
            yield _Condition(str(held.get("Field")), name, frozenset(map(str, listed(values))))


def _basic(selector: Mapping[str, Any]) -> Iterator[_Recorded]:
    out = BASIC.get(str(selector.get("ReadWriteType")))
    for resource in listed(selector.get("DataResources")):
        held = resource if isinstance(resource, dict) else {"Values": [resource]}
        for value in map(str, listed(held.get("Values"))):
            condition = _Condition("ARN", _reach(str(held.get("Type")), value), frozenset({value}))
            for half in HALVES:
                if half != out:
                    kind = f"Data {plain(held.get('Type'))}"
                    yield _Recorded(half, kind, frozenset({condition}))


def _reach(kind: str, value: str) -> str:
    """Return whether a value names one resource, or all that begin so (CloudTrail API,
    DataResource): "arn:aws:lambda" is each function, "arn:aws:s3:::bucket/" each object in it."""
    prefix = value.count(":") == 2 or (kind == "AWS::S3::Object" and value.endswith((":", "/")))
    return "StartsWith" if prefix else "Equals"
