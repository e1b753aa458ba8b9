"""Find times in texts, to compare claims and records as instants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Abbreviations of zones in hours from UTC, as PostgreSQL knows them by default.
_ZONES = {
    **dict.fromkeys(("UTC", "GMT", "WET"), 0),
    **dict.fromkeys(("CET", "WEST"), 1),
    **dict.fromkeys(("CEST", "EET"), 2),
    **dict.fromkeys(("EEST", "MSK"), 3),
    **{"EDT": -4, "EST": -5, "CDT": -5, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8},
    **{"SGT": 8, "HKT": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13},
}
# The same letters name zones that lie hours apart (CST: America or China): the instant is unknown.
_UNKNOWN = frozenset({"CST", "IST", "BST", "AST", "ADT", "AMT", "GST", "SST", "ECT", "PYT", "WST"})
_NAMED = "|".join(sorted({*_ZONES, *_UNKNOWN}))
_TIME = re.compile(
    r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?:T|\s)(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?"
    rf"(?:\s?(Z\b|UTC\b|GMT\b|[+-]\d\d(?::?\d\d)?)|\s({_NAMED})\b)?(?![\d:])",
    re.ASCII,
)
_EPOCH = re.compile(r"(\d{10})(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?", re.ASCII)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Told:
    """A written time and its instant; without a zone it is UTC.

    If the abbreviation of its zone is ambiguous, `sure` is false and it equals no instant.
    """

    text: str
    at: datetime
    by_the_second: bool
    sure: bool = True

    def is_at(self, other: datetime) -> bool:
        """Compare with another instant, as precisely as this time is written.

        Either truncated to the second, or truncated or rounded to the minute.
        """
        if not self.sure:
            return False
        if self.by_the_second:
            return self.at == other.replace(microsecond=0)
        return abs(self.at - other) <= _MINUTE


def times_in(text: str) -> Iterator[Told]:
    """Yield each date with a time of day; ignores impossible dates."""
    for match in _TIME.finditer(text):
        year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
        try:
            local = datetime(year, month, day, hour, minute, int(match[6] or 0), tzinfo=UTC)
            at, sure = local - _offset(match[7] or match[8] or ""), match[8] not in _UNKNOWN
            yield Told(match[0].strip(), at, match[6] is not None, sure)
        except (ValueError, OverflowError):
            continue


def first_time(text: str) -> datetime | None:
    """Return the first instant in the text, or the text itself as seconds (or less) since 1970."""
    if (epoch := _EPOCH.fullmatch(text.strip())) is not None:
        return datetime.fromtimestamp(int(epoch[1]), UTC)
    return next((told.at if told.sure else None for told in times_in(text)), None)


def _offset(zone: str) -> timedelta:
    """Return how far the zone is from UTC; a word that is no zone is none."""
    if zone[:1] not in ("+", "-"):
        return timedelta(hours=_ZONES.get(zone, 0))
    digits = zone[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return away if zone[0] == "+" else -away
