"""The queue: what is whose to decide, in which order, and who sees nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.urls import reverse

from tests import factories
from tests.flows.world import World
from tests.views.conftest import BrowserOf, may_review_everything, text_of


def group(page: str, key: str) -> str:
    """The part of the queue under this heading, or nothing."""
    found = re.search(rf'id="group-{key}".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def test_what_waits_for_me_is_mine_and_for_others_theirs(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    address = reverse("review", args=[proposal_id])
    assert address in group(text_of(browser_of(world.people["alice"]).get("queue")), "mine")
    # dave owns the agent: he sees it, and it is not his to decide.
    page = text_of(browser_of(world.people["dave"]).get("queue"))
    assert address in group(page, "others")
    assert "Nothing waits for you" in group(page, "mine")


def test_the_number_of_mine_stands_in_the_tabs_title(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    assert "<title>(1) Queue" in text_of(browser_of(world.people["alice"]).get("queue"))
    assert "<title>Queue" in text_of(browser_of(world.people["dave"]).get("queue"))


def test_a34_grave_ones_come_first_however_many_trivial_ones_came_before(
    world: World, browser_of: BrowserOf
) -> None:
    trivial = [factories.proposal() for _ in range(5)]
    for one in trivial:
        factories.assess(one)
    grave = world.in_review()
    may_review_everything(world.people["alice"])
    mine = group(text_of(browser_of(world.people["alice"]).get("queue")), "mine")
    order = re.findall(r'id="row-([0-9a-f-]{36})"', mine)
    assert order[0] == str(grave)
    assert set(order[1:]) == {str(one.pk) for one in trivial}


def test_among_equals_the_nearer_deadline_comes_first(world: World, browser_of: BrowserOf) -> None:
    now = datetime.now(UTC)
    proposals = [factories.proposal() for _ in range(3)]
    for one, hours in zip(proposals, (3, 1, 2), strict=True):
        factories.assess(one, decide_by=now + timedelta(hours=hours))
    lead = factories.person(roles=["lead"])
    order = re.findall(r'id="row-([0-9a-f-]{36})"', text_of(browser_of(lead).get("queue")))
    assert order == [str(proposals[1].pk), str(proposals[2].pk), str(proposals[0].pk)]


def test_what_nobody_has_assessed_yet_waits_visibly(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.submit()
    page = text_of(browser_of(factories.person(roles=["lead"])).get("queue"))
    assert str(proposal_id) in group(page, "new")
    assert "not assessed" in group(page, "new")


def test_running_and_ended_ones_are_shown_as_such(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.approved()
    lead = browser_of(factories.person(roles=["lead"]))
    assert str(proposal_id) in group(text_of(lead.get("queue")), "running")
    world.execute(proposal_id)
    assert str(proposal_id) in group(text_of(lead.get("queue")), "ended")


def test_who_holds_no_right_sees_an_empty_queue(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(factories.person()).get("queue"))
    assert str(proposal_id) not in page


def test_who_is_not_signed_in_is_sent_to_sign_in(db: None, browser_of: BrowserOf) -> None:
    answer = browser_of(None).get("queue")
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_polling_page_whose_session_ended_loads_itself_again(
    db: None, browser_of: BrowserOf
) -> None:
    answer = browser_of(None).client.get(reverse("queue"), headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")
