"""A service that is known by two names has moved when it was seen under both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from remediation.domain.conditions import Consumer, ConsumerSeen, Name, Sighting, Use, why_not_met

SINCE = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
NOW = SINCE + timedelta(minutes=5)
SIGNED = Consumer("billing", "billing", 0, "reload")
# An edit of the inventory, older than a day: the attacker's own program stands for the service.
EDITED = Consumer("billing", "decoy", 0, "reload")
MOVED = ConsumerSeen("billing", Use.MOVED, None, SINCE)
NOT_SEEN = ConsumerSeen("billing", Use.NOT_SEEN)


@pytest.mark.parametrize(
    ("seen", "met"),
    [
        ((NOT_SEEN, MOVED), False),
        ((MOVED, NOT_SEEN), False),
        ((MOVED,), False),
        ((), False),
        ((MOVED, MOVED), True),
    ],
)
def test_each_name_counts(seen: tuple[ConsumerSeen, ...], met: bool) -> None:
    look = Sighting(Name.CONSUMERS_MOVED, 0, NOW, NOW, SINCE, 0, 0, seen)
    why = why_not_met(look, (SIGNED, EDITED), since=SINCE, now=NOW)
    assert (why is None) is met
