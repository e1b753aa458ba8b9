"""The conditions for which a run can wait, and the rule that says whether one is met. Pure.

An executor looks at the target and returns a sighting; this module judges it. So the gate, the
page, and an auditor who replays the evidence come to the same answer.

Absence of use is evidence only after the window: the resolution of the source, its delay, and the
longest period of a consumer. The source must have been seen alive in that window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.fields import Fields

# Sightings are judged within this time of the look; an older one says nothing about now.
FRESH = timedelta(minutes=10)
MOST_CONSUMERS = 200
# Why OLD_QUIET is not met: somebody used the old credential in the window.
OLD_IN_USE = "old_in_use"
MAX_DETAIL = 300


class Name(StrEnum):
    """The names that plans use."""

    CONSUMERS_MOVED = "consumers_moved"
    OLD_QUIET = "old_quiet"
    # Here the servers of a certificate are the consumers: each shows the new one.
    SERVED_NEW = "served_new"


class Use(StrEnum):
    """How far a consumer came. Only `moved` meets a condition."""

    NOT_SEEN = "not_seen"
    TOLD = "told"  # it was asked to take the new credential
    FETCHED = "fetched"  # it read the new version in the store
    MOVED = "moved"  # the target saw it sign in with the new one


@dataclass(frozen=True)
class Consumer:
    """A consumer of a credential, from the inventory.

    ``seen_as``: what the target's record shows of it (an application name, a role, an address).
    ``period_s``: the longest time between two uses; 0 for one that always holds a connection.
    ``takes_by``: how it learns a new value, in the inventory's word (reload, restart, …).
    """

    service: str
    seen_as: str
    period_s: int
    takes_by: str

    def to_json(self) -> dict[str, Json]:
        return {
            "service": self.service,
            "seen_as": self.seen_as,
            "period_s": self.period_s,
            "takes_by": self.takes_by,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Consumer:
        source = Fields(value, at, required=("service", "seen_as", "period_s", "takes_by"))
        return cls(
            source.text("service", 200, least=1),
            source.text("seen_as", 200),
            source.integer("period_s", 0, 400 * 24 * 3600),
            source.text("takes_by", 40),
        )


@dataclass(frozen=True)
class ConsumerSeen:
    """What a look saw of one consumer: the last sign-ins with the old and the new credential."""

    service: str
    use: Use
    last_old: datetime | None = None
    last_new: datetime | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "service": self.service,
            "use": self.use.value,
            "last_old": instant.dump(self.last_old) if self.last_old else None,
            "last_new": instant.dump(self.last_new) if self.last_new else None,
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> ConsumerSeen:
        source = Fields(value, at, required=("service", "use", "last_old", "last_new", "detail"))
        return cls(
            source.text("service", 200, least=1),
            Use(source.one_of("use", tuple(Use))),
            _instant(source, "last_old"),
            _instant(source, "last_new"),
            source.text("detail", MAX_DETAIL),
        )


@dataclass(frozen=True)
class Sighting:
    """One look at a target for one condition.

    ``alive_at``: when the source of the evidence was last seen to record a use that the observer
    made or that must be there; None if it was not. ``covers_since``: since when the source has
    everything. ``resolution_s`` and ``delay_s`` are the source's own. ``old_used_at``: the last use
    of the old credential by anybody. ``others``: uses of it by nobody whom the inventory names.
    """

    condition: str
    step: int
    at: datetime
    alive_at: datetime | None
    covers_since: datetime | None
    resolution_s: int
    delay_s: int
    consumers: tuple[ConsumerSeen, ...] = ()
    old_used_at: datetime | None = None
    others: tuple[str, ...] = ()
    why: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "condition": self.condition,
            "step": self.step,
            "at": instant.dump(self.at),
            "alive_at": instant.dump(self.alive_at) if self.alive_at else None,
            "covers_since": instant.dump(self.covers_since) if self.covers_since else None,
            "resolution_s": self.resolution_s,
            "delay_s": self.delay_s,
            "consumers": [one.to_json() for one in self.consumers],
            "old_used_at": instant.dump(self.old_used_at) if self.old_used_at else None,
            "others": list(self.others),
            "why": self.why,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Sighting:
        source = Fields(
            value,
            at,
            required=(
                "condition", "step", "at", "alive_at", "covers_since", "resolution_s", "delay_s",
                "consumers", "old_used_at", "others", "why",
            ),
        )  # fmt: skip
        return cls(
            source.text("condition", 60, least=1),
            source.integer("step", 0, 100),
            source.instant("at"),
            _instant(source, "alive_at"),
            _instant(source, "covers_since"),
            source.integer("resolution_s", 0, 10**8),
            source.integer("delay_s", 0, 10**8),
            source.array("consumers", ConsumerSeen.from_json, most=MOST_CONSUMERS),
            _instant(source, "old_used_at"),
            source.texts("others", most=MOST_CONSUMERS, longest=MAX_DETAIL),
            source.text("why", MAX_DETAIL),
        )


@dataclass(frozen=True)
class Unmet:
    """Why a condition is not met: a stable name, and what or who it waits for."""

    name: str
    detail: str = ""


def window_s(sighting: Sighting, consumers: Sequence[Consumer]) -> int:
    """Return how long the old credential must be unused, in seconds."""
    longest = max((one.period_s for one in consumers), default=0)
    return sighting.resolution_s + sighting.delay_s + longest


def why_not_met(
    sighting: Sighting, consumers: Sequence[Consumer], *, since: datetime, now: datetime
) -> Unmet | None:
    """Return why the condition is not met now; None if it is.

    ``consumers`` are those that the inventory names, ``since`` is when the change was made. An
    unknown condition is never met.
    """
    if sighting.at > now or now - sighting.at > FRESH:
        return Unmet("look_too_old", instant.dump(sighting.at))
    if sighting.at < since:
        return Unmet("look_too_old", "it was before the change")
    if sighting.why:
        return Unmet("not_observable", sighting.why)
    if sighting.condition == Name.CONSUMERS_MOVED:
        return _not_moved(sighting, consumers, since)
    if sighting.condition == Name.OLD_QUIET:
        return _not_quiet(sighting, consumers, now)
    if sighting.condition == Name.SERVED_NEW:
        return _not_served(sighting, consumers, since)
    return Unmet("unknown_condition", sighting.condition)


def left(sighting: Sighting) -> frozenset[str]:
    """Return who was seen not to have moved: consumers, and users whom nobody names."""
    still = (one.service for one in sighting.consumers if one.use is not Use.MOVED)
    return frozenset((*still, *sighting.others))


def _not_moved(sighting: Sighting, consumers: Sequence[Consumer], since: datetime) -> Unmet | None:
    if not consumers:
        return Unmet("no_consumers", "the inventory names no consumer")
    late = [
        name
        for name in dict.fromkeys(one.service for one in consumers)
        if not _all_moved(name, sighting, consumers, since)
    ]
    return Unmet("not_moved", ", ".join(late)[:MAX_DETAIL]) if late else None


def _all_moved(
    service: str, sighting: Sighting, consumers: Sequence[Consumer], since: datetime
) -> bool:
    """Return whether a service was seen on the new one under each name that it is known by.

    The signed scope and the inventory now can know it by different ones.
    """
    names = {one.seen_as for one in consumers if one.service == service}
    seen = [one for one in sighting.consumers if one.service == service]
    return len(seen) >= len(names) and all(_moved(one, since) for one in seen)


def _moved(seen: ConsumerSeen, since: datetime) -> bool:
    if seen.use is not Use.MOVED or seen.last_new is None:
        return False
    # A sign-in with the old one after that with the new one: a pool that is a mix of both.
    return seen.last_new >= since and (seen.last_old is None or seen.last_old <= seen.last_new)


def _not_served(sighting: Sighting, consumers: Sequence[Consumer], since: datetime) -> Unmet | None:
    """Each server that the map or the inventory names shows the new certificate, and nobody else
    shows the old one. A server that the inventory got since the look was not asked."""
    if not sighting.consumers:
        return Unmet("no_consumers", "no server is named")
    asked = {one.service for one in sighting.consumers}
    late = [one.service for one in sighting.consumers if not _moved(one, since)]
    late += sighting.others
    late += [
        one.service for one in consumers if not {server_name(one, consumers), one.seen_as} & asked
    ]
    return Unmet("not_moved", ", ".join(dict.fromkeys(late))[:MAX_DETAIL]) if late else None


def server_name(one: Consumer, consumers: Sequence[Consumer]) -> str:
    """Return the name of a server; of a service at several addresses, with the address.

    The signed scope and the inventory now can say different ones, and each is asked.
    """
    places = {each.seen_as for each in consumers if each.service == one.service}
    return one.service if len(places) == 1 else name_at(one)


def name_at(one: Consumer) -> str:
    """Return a server's name with its address."""
    return f"{one.service} at {one.seen_as}"[:200]


def _not_quiet(sighting: Sighting, consumers: Sequence[Consumer], now: datetime) -> Unmet | None:
    begins = now - timedelta(seconds=window_s(sighting, consumers))
    if sighting.alive_at is None or sighting.alive_at < begins:
        return Unmet("source_silent", "the source of the evidence was not seen alive")
    if sighting.alive_at > now:
        return Unmet("source_silent", "by its own clock the source was seen alive later than now")
    if sighting.covers_since is None or sighting.covers_since > begins:
        return Unmet(
            "window_open", f"quiet since {_covered(sighting)}, asked since {instant.dump(begins)}"
        )
    if sighting.old_used_at is not None and sighting.old_used_at > begins:
        return Unmet(OLD_IN_USE, instant.dump(sighting.old_used_at))
    return None


def _covered(sighting: Sighting) -> str:
    return instant.dump(sighting.covers_since) if sighting.covers_since else "no known time"


def _instant(source: Fields, key: str) -> datetime | None:
    return source.instant(key) if source.value(key) is not None else None
