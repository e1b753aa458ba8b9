"""The card of earlier proposals: of this kind, on this target or service, and only those that the
person may see."""

from __future__ import annotations

from uuid import UUID

from remediation import models as m
from tests import factories
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of


def card_of(page: str) -> str:
    start = page.index('id="like"')
    return page[start : page.index("</section>", start)]


def test_nothing_like_it_is_said(world: World, proposal_id: UUID, browser_of: BrowserOf) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    assert "Nothing like this was decided before" in card_of(page)


def test_an_earlier_one_is_shown_with_its_decision_and_its_end(
    world: World, browser_of: BrowserOf
) -> None:
    earlier = world.in_review()
    world.decide("alice", earlier, "reject")
    world.settle(earlier)
    assert world.state_of(earlier) == "rejected"
    later = world.in_review()
    card = card_of(text_of(browser_of(world.people["bob"]).get("review", later)))
    assert f"/proposals/{earlier}/history/" in card
    assert f"{world.people['alice'].user.username}: reject" in card
    assert "Rejected" in card


def test_a12_only_what_this_person_may_see(world: World, browser_of: BrowserOf) -> None:
    """A12: somebody whose service began to use the target later does not learn what was decided
    about it before; a person who saw it does (the control)."""
    earlier = world.in_review()
    world.decide("alice", earlier, "reject")
    world.settle(earlier)
    joined = factories.service(environment="production")
    factories.dependency(joined, m.Identity.objects.get(locator="test.target:t1"))
    newcomer = factories.person(roles=["security"])
    factories.grant(newcomer.user, "review_service", joined)
    later = world.in_review()
    unseen = card_of(text_of(browser_of(newcomer).get("review", later)))
    assert str(earlier) not in unseen and "Nothing like this" in unseen
    seen = card_of(text_of(browser_of(world.people["alice"]).get("review", later)))
    assert str(earlier) in seen


def test_an_open_one_is_not_an_earlier_one(world: World, browser_of: BrowserOf) -> None:
    first = world.in_review()
    second = world.in_review()
    card = card_of(text_of(browser_of(world.people["alice"]).get("review", second)))
    assert str(first) not in card
