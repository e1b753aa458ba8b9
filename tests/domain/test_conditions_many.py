"""A look with more consumers than a sighting holds could be written and never be read again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediation.domain.conditions import MOST_CONSUMERS, ConsumerSeen, Name, Sighting, Use
from remediation.domain.errors import BadInput

AT = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)


def test_a_sighting_of_too_many_consumers_is_not_read_back() -> None:
    many = tuple(ConsumerSeen(f"s{n}", Use.MOVED) for n in range(MOST_CONSUMERS + 1))
    look = Sighting(Name.CONSUMERS_MOVED, 0, AT, AT, AT, 0, 0, many)
    with pytest.raises(BadInput):
        Sighting.from_json(look.to_json())
