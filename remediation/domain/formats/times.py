"""Find times in texts, to compare claims and records as instants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_TIME = re.compile(
    r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?:T|\s)(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?"
    r"\s?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?(?![\d:])",
    re.ASCII,
)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Told:
    """A written time and its instant; without a zone it is UTC."""

    text: str
    at: datetime
    by_the_second: bool

    def is_at(self, other: datetime) -> bool:
        """Compare with another instant, as precisely as this time is written.

        Either truncated to the second, or truncated or rounded to the minute.
        """
        if self.by_the_second:
            return self.at == other.replace(microsecond=0)
        return abs(self.at - other) <= _MINUTE


def times_in(text: str) -> Iterator[Told]:
    """Yield each date with a time of day; ignores impossible dates."""
    for match in _TIME.finditer(text):
        year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
        try:
            local = datetime(year, month, day, hour, minute, int(match[6] or 0), tzinfo=UTC)
            yield Told(match[0].strip(), local - _offset(match[7] or ""), match[6] is not None)
        except (ValueError, OverflowError):
            continue


def first_time(text: str) -> datetime | None:
    return next((told.at for told in times_in(text)), None)


def _offset(zone: str) -> timedelta:
    if zone[:1] not in ("+", "-"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return away if zone[0] == "+" else -away
