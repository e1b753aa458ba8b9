"""Say which management events the selectors of a trail leave out.

An event is recorded if any selector takes it, and a selector takes it if all of its conditions do.
An event is a read or a write. So of the selectors that take reads, only what all of them leave out
is missing among reads, and likewise for writes: writes that one selector leaves out are recorded
only if another one that takes writes records them. Where each leaves out something else, an event
can be left out by all of them at once, and that is said, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.tlog.canonical import Json

NOTHING_RECORDED = "all of them"
READS, WRITES = "read events", "write events"
HALVES = (READS, WRITES)
OTHER_REGIONS = "events of other regions"
GLOBAL_SERVICES = "events of services without a region, such as IAM and STS"
MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
# The conditions of AdvancedFieldSelector that leave something out (CloudTrail API).
NEGATIVE = {"NotEquals": "", "NotStartsWith": "starts with ", "NotEndsWith": "ends with "}
BASIC = {"ReadOnly": WRITES, "WriteOnly": READS}
# A value that reads in one way only; another one is quoted, or ["a, b"] would read as ["a", "b"].
_PLAIN = re.compile(r"[\w.:/*@+=-]+", re.ASCII)
_AT_ONCE = ", and at once "
# What is missing among reads and among writes; None: all of them.
Halves = Mapping[str, set[str] | None]


def left_out(selectors: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return what is left out in words, in order. Without a selector CloudTrail takes all."""
    return in_words(halves(selectors), NOTHING_RECORDED)


def in_words(found: Halves, everything: str) -> list[Json]:
    """Return what is missing in each half; `everything` if that is all of both."""
    reads, writes = found[READS], found[WRITES]
    if reads is None and writes is None:
        return [everything]
    if reads is None or writes is None:
        return [*sorted({*(reads or writes or ()), READS if reads is None else WRITES})]
    both = reads & writes
    some = [f"{half}: {one}" for half in HALVES for one in sorted((found[half] or both) - both)]
    return [*sorted(both), *some]


def halves(selectors: Sequence[Mapping[str, Any]]) -> Halves:
    """Return what is left out among reads and among writes; None: all of them."""
    each = [{*_left_by(one)} for one in selectors if records_management(one)]
    if not selectors:
        each = [set()]
    found = {half: [one - {READS, WRITES} for one in each if half not in one] for half in HALVES}
    return {half: _by_all(held) if held else None for half, held in found.items()}


def _by_all(held: Sequence[set[str]]) -> set[str]:
    """Return what all selectors leave out: the same thing, or one thing each at once."""
    common = set.intersection(*held)
    rest = {frozenset(one - common) for one in held}
    # What leaves out more than another one of them adds no events.
    rest = {one for one in rest if not any(other < one for other in rest)}
    if frozenset() in rest:
        return common
    return common | {_AT_ONCE.join(sorted(" or ".join(sorted(one)) for one in rest))}


def left_out_by(trail: Mapping[str, Any], selectors: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return what the selectors and the trail's own settings leave out."""
    found: list[Json] = []
    if not trail["IsMultiRegionTrail"]:
        found.append(OTHER_REGIONS)
    if trail.get("IncludeGlobalServiceEvents") is False:
        found.append(GLOBAL_SERVICES)
    return [*found, *left_out(selectors)]


def records_management(selector: Mapping[str, Any]) -> bool:
    """Return whether a selector records management events, all or some of them."""
    fields = fields_of(selector)
    if not fields:
        return selector.get("IncludeManagementEvents") is True
    categories = [
        one for one in fields if not isinstance(one, dict) or one.get("Field") == "eventCategory"
    ]
    return categories == [MANAGEMENT]


def _left_by(selector: Mapping[str, Any]) -> Iterator[str]:
    kind = str(selector.get("ReadWriteType"))
    if kind in BASIC:
        yield BASIC[kind]
    for source in listed(selector.get("ExcludeManagementEventSources")):
        yield f"of {plain(source)}"
    for condition in fields_of(selector):
        if condition != MANAGEMENT:
            yield from _left_by_condition(condition)


def _left_by_condition(condition: Mapping[str, Any]) -> Iterator[str]:
    field = condition.get("Field")
    if condition == {"Field": "readOnly", "Equals": ["true"]}:
        yield WRITES
    elif condition == {"Field": "readOnly", "Equals": ["false"]}:
        yield READS
    else:
        said = "of " if field == "eventSource" else f"{plain(field)}: "
        for name, values in condition.items():
            if name in NEGATIVE:
                yield from (f"{said}{NEGATIVE[name]}{plain(value)}" for value in listed(values))
            elif name != "Field":
                named = ", ".join(sorted(map(plain, listed(values))))
                yield f"{plain(field)}: all but {plain(name)} {named}"


def plain(value: object) -> str:
    """Return a value so that no other one reads the same."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def listed(held: object) -> list[Any]:
    """Return the members of a list. What else stands in a plan or an answer is its own member."""
    return held if isinstance(held, list) else [] if held is None else [held]


def fields_of(selector: Mapping[str, Any]) -> list[Any]:
    found = selector.get("FieldSelectors")
    return found if isinstance(found, list) else []
