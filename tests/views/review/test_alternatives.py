"""The plans of a choice side by side on each review page; none is preselected."""

from __future__ import annotations

import html
from dataclasses import replace
from uuid import UUID

import pytest
from django.db import transaction

from remediation.domain.report import Alternative
from remediation.services.reporting import submit
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db
HOSTILE = "<b>Take this one</b>\u202e"


@pytest.fixture
def both(world: World) -> tuple[UUID, UUID]:
    """Two alternatives in review: a target in production, and one that nobody knows."""
    plans = (factories.plan("t1", environment="production"), factories.plan("t1", "t9"))
    report = replace(
        world.report(),
        plan=None,
        rationale="",
        alternatives=tuple(Alternative(plan, HOSTILE) for plan in plans),
    )
    with acts(WEB), transaction.atomic():
        first, second = submit.report(report, actor=world.agent).alternatives
    world.assess(first)
    world.assess(second)
    return first, second


def test_every_plan_of_the_choice_stands_on_the_page(
    world: World, browser_of: BrowserOf, both: tuple[UUID, UUID]
) -> None:
    first, second = both
    alice = browser_of(world.people["alice"])
    for mine, other in ((first, second), (second, first)):
        page = html.unescape(text_of(alice.get("review", mine)))
        assert "2 plans to choose from" in page
        assert f'href="/proposals/{other}/"' in page
        assert page.count('aria-current="true"') == 1
        assert "Record a call for test target t9." in page
        assert "Target is not in the inventory" in page
    assert "checked" not in page.split("2 plans to choose from")[1].split("</section>")[0]


def test_a01_the_agents_reasons_are_inert(
    world: World, browser_of: BrowserOf, both: tuple[UUID, UUID]
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", both[0]))
    assert "<b>Take this one" not in page and "\u202e" not in page
    assert "&lt;b&gt;Take this one" in page


def test_none_of_them_is_offered_for_a_choice_only(
    world: World, browser_of: BrowserOf, both: tuple[UUID, UUID]
) -> None:
    alice = browser_of(world.people["alice"])
    assert 'value="none_of_them"' in text_of(alice.get("review", both[0]))
    alone = factories.proposal_at("in_review", "t1").pk
    factories.grant(world.people["alice"].user, "review_service", factories.service())
    assert 'value="none_of_them"' not in text_of(alice.get("review", alone))


def test_when_the_other_is_approved_the_page_says_so(
    world: World, browser_of: BrowserOf, both: tuple[UUID, UUID]
) -> None:
    first, second = both
    world.decide("alice", first)
    world.decide("bob", first)
    page = text_of(browser_of(world.people["bob"]).get("review", second))
    assert "Another plan of this choice was approved" in page


def test_a12_a_plan_that_touches_unseen_services_is_only_counted(
    world: World, browser_of: BrowserOf, both: tuple[UUID, UUID]
) -> None:
    """Who may see one plan does not see the other by way of the choice."""
    owner = factories.person(roles=["service_owner"])
    stranger = factories.service()
    factories.grant(owner.user, "review_service", stranger)
    factories.dependency(stranger, factories.identity("test.target:t9"))
    factories.settle_inventory()
    world.assess(both[1], reason="drift")
    page = text_of(browser_of(owner).get("review", both[1]))
    assert "1 more plan touches services" in page
    assert f'href="/proposals/{both[0]}/"' not in page
