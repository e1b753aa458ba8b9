"""Whether an incident is contained: its own identity, seen without access at every place.

Read from what was recorded: the places (`Point.to_json` of an executor) of a step or of a look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit.tlog.canonical import Json
from remediation.domain.plan import Plan, Step

# The worker looks this long after an incident was contained, then once a day.
LOOK_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
LOOK_EVERY = timedelta(days=1)
# A look that could not read is repeated after a minute, then two, four, … at most an hour.
RETRY, RETRY_MOST = timedelta(minutes=1), timedelta(hours=1)
# A place that was seen longer before the run ended says nothing of its end: meanwhile somebody can
# have given the identity its access back.
SEEN_WITHIN = timedelta(seconds=60)
# After this many unread looks in a row, people are notified.
UNREAD_TOLD = 3
# What a step record keeps of the places, beside the fields of the target.
OF_PLACES = ("at", "points")


class Found(StrEnum):
    """What the places show together."""

    WITHOUT = "without"
    ACCESS = "access"
    UNREAD = "unread"


@dataclass(frozen=True)
class SeenPlace:
    """One place as it was recorded; `without_access` is None where it could not be read."""

    place: str
    without_access: bool | None
    open: tuple[str, ...] = ()

    @property
    def found(self) -> Found:
        """Something that is still open there is access, whatever the login says."""
        if self.without_access is False or self.open:
            return Found.ACCESS
        return Found.WITHOUT if self.without_access else Found.UNREAD

    def to_json(self) -> dict[str, Json]:
        return {
            "place": self.place, "without_access": self.without_access, "open": list(self.open)
        }  # fmt: skip


def places(recorded: Json) -> tuple[SeenPlace, ...]:
    """Read recorded places; what is not one counts as a place that could not be read."""
    return tuple(_place(one) for one in recorded) if isinstance(recorded, list) else ()


def _place(value: Json) -> SeenPlace:
    if not isinstance(value, dict):
        return SeenPlace("?", None)
    without, still = value.get("without_access"), value.get("open")
    return SeenPlace(
        str(value.get("place", "?")),
        without if isinstance(without, bool) else None,
        tuple(str(one) for one in still) if isinstance(still, list) else (),
    )


def found(seen: Iterable[SeenPlace]) -> Found:
    """Return what all places show: access at one is access; without only if all were read."""
    all_of = [one.found for one in seen]
    if Found.ACCESS in all_of:
        return Found.ACCESS
    return Found.WITHOUT if all_of and Found.UNREAD not in all_of else Found.UNREAD


class Why(StrEnum):
    """Why a run that succeeded did not contain its incident."""

    NOT_ACTED_ON = "not_acted_on"  # no step works on the incident's identity
    NOT_REMOVED = "not_removed"  # the step takes no access away
    NO_PLACES = "no_places"  # nobody recorded where the identity is without access
    PLACE_ACCESS = "place_access"
    PLACE_UNREAD = "place_unread"
    SEEN_TOO_EARLY = "seen_too_early"  # too long before the run ended


@dataclass(frozen=True)
class Missing:
    """One thing that an incident lacks to be contained, and the place where it lacks it."""

    why: Why
    place: str = ""
    open: tuple[str, ...] = ()
    at: datetime | None = None  # when it was seen, for SEEN_TOO_EARLY


@dataclass(frozen=True)
class Seen:
    """What the record of a confirmed step keeps of its places, and when they were seen."""

    points: Json
    at: datetime


def own_step(plan: Plan, locator: str) -> Step | None:
    """Return the step that says how the plan leaves the incident's identity.

    Of several: the last one that takes access away or gives it.
    """
    own = [step for step in plan.steps if step.target.locator == locator]
    telling = [step for step in own if step.spec.removes_access or step.spec.grants_access]
    return next(reversed(telling or own), None)


def missing(
    plan: Plan, locator: str, verified: Mapping[int, Seen], ended: datetime
) -> tuple[Missing, ...]:
    """Return what keeps a run that succeeded from containing its incident; empty if nothing does.

    ``verified`` is what the step records keep of each step when it was seen, ``ended`` the end of
    the run.
    """
    step = own_step(plan, locator)
    if step is None:
        return (Missing(Why.NOT_ACTED_ON),)
    if not step.spec.removes_access:
        return (Missing(Why.NOT_REMOVED),)
    record = verified.get(step.index)
    seen = places(record.points) if record is not None else ()
    if record is None or not seen:
        return (Missing(Why.NO_PLACES),)
    if record.at < ended - SEEN_WITHIN:
        return (Missing(Why.SEEN_TOO_EARLY, at=record.at),)
    whys = {Found.ACCESS: Why.PLACE_ACCESS, Found.UNREAD: Why.PLACE_UNREAD}
    return tuple(
        Missing(whys[one.found], one.place, one.open)
        for one in seen
        if one.found is not Found.WITHOUT
    )


def look_due(contained_at: datetime, last: datetime | None, unread: int) -> datetime:
    """Return when the next look is due.

    ``last`` is the time of the newest look since it was contained, and ``unread`` how many of the
    newest ones in a row could not read.
    """
    if last is None:
        return contained_at + LOOK_AFTER[0]
    regular = _regular(contained_at, last)
    if not unread:
        return regular
    retry = min(RETRY * (1 << min(unread - 1, 10)), RETRY_MOST)
    return min(regular, last + retry)


def _regular(contained_at: datetime, last: datetime) -> datetime:
    for after in LOOK_AFTER:
        if last < contained_at + after:
            return contained_at + after
    first = contained_at + LOOK_AFTER[-1]
    days = (last - first) // LOOK_EVERY + 1
    return first + days * LOOK_EVERY
