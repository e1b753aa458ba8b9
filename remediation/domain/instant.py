"""Read and write instants as RFC 3339 in UTC with a Z, the only form in every document."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from remediation.domain.errors import BadValue

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


def parse(text: str, at: str = "") -> datetime:
    """Parse an instant. Raises BadValue, which names the place `at`."""
    if not _FORM.fullmatch(text):
        raise BadValue(f"{text[:40]!r} is not RFC 3339 with Z", pointer=at)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise BadValue(str(error), pointer=at) from None


def dump(instant: datetime) -> str:
    """Write an instant. The datetime must be aware."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
