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


@pytest.mark.parametrize(
    ("asked", "met"),
    [(("web1",), False), (("web1", "shop"), True), (("web1", "10.0.0.9:443"), True)],
)
def test_a_server_that_the_inventory_got_since_the_look_was_not_asked(
    asked: tuple[str, ...], met: bool
) -> None:
    seen = tuple(ConsumerSeen(name, Use.MOVED, None, NOW) for name in asked)
    look = Sighting(Name.SERVED_NEW, 0, NOW, NOW, SINCE, 0, 0, seen)
    added = Consumer("shop", "10.0.0.9:443", 0, "reload")
    why = why_not_met(look, (added,), since=SINCE, now=NOW)
    assert (why is None) is met
    assert why is None or why.detail == "shop"


def test_a_second_address_of_a_server_was_not_asked_by_its_name() -> None:
    """The look asked the first address, and calls it by the service's name alone."""
    seen = (ConsumerSeen("shop", Use.MOVED, None, NOW),)
    look = Sighting(Name.SERVED_NEW, 0, NOW, NOW, SINCE, 0, 0, seen)
    both = (Consumer("shop", "10.0.0.1:443", 0, ""), Consumer("shop", "10.0.0.9:443", 0, ""))
    assert why_not_met(look, both[:1], since=SINCE, now=NOW) is None
    assert why_not_met(look, both, since=SINCE, now=NOW) is not None
