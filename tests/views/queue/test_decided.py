"""The line after a decision: what it did, and what is still missing."""

from __future__ import annotations

import re
from uuid import UUID

from tests import factories
from tests.flows.world import World
from tests.views.conftest import Browser, BrowserOf, text_of


def told(browser: Browser, proposal_id: UUID) -> str:
    """What the page after the decision says at its top."""
    onward = browser.get("queue_next", decided=str(proposal_id))
    assert onward.status_code == 302
    page = text_of(browser.get("queue"))
    found = re.search(r'<div class="messages".*?</div></div>', page, re.DOTALL)
    return found[0] if found else ""


def test_the_first_approval_names_what_it_waits_for(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    line = told(browser_of(world.people["alice"]), proposal_id)
    assert "You approved “Record a call for test target t1”." in line
    # bob can; eve made the agent's token, so she is not named.
    bob, eve = (world.people[name].user.username for name in ("bob", "eve"))
    assert f"Still waiting for: service owner ({bob})." in line and eve not in line


def test_the_last_approval_is_told_as_the_last(world: World, browser_of: BrowserOf) -> None:
    approved = world.approved()
    assert "It has all its approvals." in told(browser_of(world.people["bob"]), approved)


def test_a_return_is_told_as_one(world: World, proposal_id: UUID, browser_of: BrowserOf) -> None:
    world.decide("alice", proposal_id, "return")
    line = told(browser_of(world.people["alice"]), proposal_id)
    assert "You returned “Record a call for test target t1”." in line


def test_a14_nothing_is_told_to_who_did_not_decide_or_may_not_see(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    assert told(browser_of(world.people["bob"]), proposal_id) == ""
    stranger = browser_of(factories.person(roles=["security"]))
    assert told(stranger, proposal_id) == ""
    for odd in ("", "x", "00000000-0000-0000-0000-000000000000"):
        answer = browser_of(world.people["alice"]).get("queue_next", decided=odd)
        assert answer.status_code == 302
