"""Who uses an identity, by the strictest inventory of the last 24 hours (docs/attacks.md A45)."""

from __future__ import annotations

import pytest

from remediation.domain.conditions import Consumer
from remediation.services.inventory.consumers import UNKNOWN_PERIOD_S, consumers_of
from tests import factories
from tests.factories import settle_inventory

pytestmark = pytest.mark.django_db

HOUR = 3600
USE = {"seen_as": "batch-app", "period_s": 24 * HOUR, "takes_by": "reload"}
BATCH = Consumer("batch", "batch-app", 24 * HOUR, "reload")


def test_an_unknown_identity_has_no_consumers() -> None:
    assert consumers_of("test.target:nowhere") == ()


def test_consumers_are_the_services_that_use_the_identity_itself_by_name() -> None:
    identity, batch, web = factories.identity(), factories.service("batch"), factories.service("a")
    factories.dependency(batch, identity, **USE)
    factories.dependency(web, identity)
    factories.dependency(factories.service("behind"), batch)
    assert consumers_of(identity.locator) == (Consumer("a", "", UNKNOWN_PERIOD_S, ""), BATCH)


def test_a_missing_period_counts_as_a_month_and_a_known_longer_one_as_itself() -> None:
    identity = factories.identity()
    factories.dependency(factories.service("year"), identity, period_s=365 * 24 * HOUR)
    factories.dependency(factories.service("none"), identity)
    periods = [one.period_s for one in consumers_of(identity.locator)]
    assert periods == [UNKNOWN_PERIOD_S, 365 * 24 * HOUR]


def test_the_longest_period_of_24_hours_counts() -> None:
    identity = factories.identity()
    edge = factories.dependency(factories.service("batch"), identity, **USE)
    settle_inventory()
    factories.dependency_version(edge, present=True, **{**USE, "period_s": 60})
    assert consumers_of(identity.locator) == (BATCH,)
    settle_inventory(edge)
    assert [one.period_s for one in consumers_of(identity.locator)] == [60]


def test_a_removed_consumer_stays_one_for_24_hours() -> None:
    identity = factories.identity()
    edge = factories.dependency(factories.service("batch"), identity, **USE)
    settle_inventory()
    factories.dependency_version(edge, present=False, **USE)
    assert consumers_of(identity.locator) == (BATCH,)
    settle_inventory(edge)
    assert consumers_of(identity.locator) == ()


def test_a_retired_consumer_stays_one_for_24_hours() -> None:
    identity, service = factories.identity(), factories.service("batch")
    factories.dependency(service, identity, **USE)
    settle_inventory()
    factories.service_version(service, retired=True)
    assert consumers_of(identity.locator) == (BATCH,)
    settle_inventory(service)
    assert consumers_of(identity.locator) == ()


def test_a_new_consumer_counts_at_once() -> None:
    identity = factories.identity()
    settle_inventory()
    factories.dependency(factories.service("batch"), identity, **USE)
    assert consumers_of(identity.locator) == (BATCH,)


def test_a_consumer_with_a_new_name_in_the_records_is_not_recognised_for_24_hours() -> None:
    """Otherwise an edit could make the sign-in of somebody else look like the consumer's."""
    identity = factories.identity()
    edge = factories.dependency(factories.service("batch"), identity, **USE)
    settle_inventory()
    factories.dependency_version(edge, present=True, **{**USE, "seen_as": "other"})
    assert [one.seen_as for one in consumers_of(identity.locator)] == [""]
    settle_inventory(edge)
    assert [one.seen_as for one in consumers_of(identity.locator)] == ["other"]
