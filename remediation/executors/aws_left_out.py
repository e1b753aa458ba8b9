"""Say which management events the selectors of a trail leave out.

An event is recorded if any selector takes it, and a selector takes it if all of its conditions do.
An event is a read or a write. So of the selectors that take reads, only what all of them leave out
is missing among reads, and likewise for writes: writes that one selector leaves out are recorded
only if another one that takes writes records them.
"""

from __future__ import annotations

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
_BASIC = {"ReadOnly": WRITES, "WriteOnly": READS}


def left_out(selectors: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return what is left out in words, in order. Without a selector CloudTrail takes all."""
    found = _halves(selectors)
    reads, writes = found[READS], found[WRITES]
    if reads is None and writes is None:
        return [NOTHING_RECORDED]
    if reads is None or writes is None:
        return [*sorted({*(reads or writes or ()), READS if reads is None else WRITES})]
    both = reads & writes
    some = [f"{half}: {one}" for half in HALVES for one in sorted((found[half] or both) - both)]
    return [*sorted(both), *some]


def _halves(selectors: Sequence[Mapping[str, Any]]) -> dict[str, set[str] | None]:
    """Return what is left out among reads and among writes; None: all of them."""
    each = [{*_left_by(one)} for one in selectors if records_management(one)]
    if not selectors:
        each = [set()]
    halves = {half: [one - {READS, WRITES} for one in each if half not in one] for half in HALVES}
    return {half: set.intersection(*held) if held else None for half, held in halves.items()}


def left_out_by(trail: Mapping[str, Any], selectors: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return what the selectors and the trail's own settings leave out."""
    found: list[Json] = []
    if not trail["IsMultiRegionTrail"]:
        found.append(OTHER_REGIONS)
    if trail.get("IncludeGlobalServiceEvents") is False:
        found.append(GLOBAL_SERVICES)
    return [*found, *left_out(selectors)]


def records_less(wanted: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the wanted selectors leave out all that these do, and something more."""
    less, now = _halves(wanted), _halves(held)
    return less != now and all(_is_within(now[half], less[half]) for half in HALVES)


def _is_within(few: set[str] | None, many: set[str] | None) -> bool:
    return many is None or (few is not None and few <= many)


def records_management(selector: Mapping[str, Any]) -> bool:
    """Return whether a selector records management events, all or some of them."""
    fields = _fields(selector)
    if not fields:
        return selector.get("IncludeManagementEvents") is True
    categories = [
        one for one in fields if not isinstance(one, dict) or one.get("Field") == "eventCategory"
    ]
    return categories == [MANAGEMENT]


def _left_by(selector: Mapping[str, Any]) -> Iterator[str]:
    kind = str(selector.get("ReadWriteType"))
    if kind in _BASIC:
        yield _BASIC[kind]
    for source in _listed(selector.get("ExcludeManagementEventSources")):
        yield f"of {source}"
    for condition in _fields(selector):
        if condition != MANAGEMENT:
            yield from _left_by_condition(condition)


def _left_by_condition(condition: Mapping[str, Any]) -> Iterator[str]:
    field = condition.get("Field")
    if condition == {"Field": "readOnly", "Equals": ["true"]}:
        yield WRITES
    elif condition == {"Field": "readOnly", "Equals": ["false"]}:
        yield READS
    else:
        for name, values in condition.items():
            if name in NEGATIVE:
                said = "of " if field == "eventSource" else f"{field}: "
                yield from (f"{said}{NEGATIVE[name]}{value}" for value in _listed(values))
            elif name != "Field":
                yield f"{field}: all but {name} {', '.join(map(str, _listed(values)))}"


def _listed(held: object) -> list[Any]:
    """Return the members of a list. What else stands in a plan or an answer is its own member."""
    return held if isinstance(held, list) else [] if held is None else [held]


def _fields(selector: Mapping[str, Any]) -> list[Any]:
    found = selector.get("FieldSelectors")
    return found if isinstance(found, list) else []
