"""A76: a correction is signed in the browser; errors stand at their fields, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Visitor
from tests.browser.people import come_in
from tests.browser.test_journeys import approver
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


def test_a76_a_correction_is_signed_and_a_refused_one_keeps_what_was_typed(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice, user = visit(), approver(world, "alice-c", "security")
    come_in(alice, user)
    page = alice.open(f"/proposals/{proposal_id}/correct/")
    page.get_by_label("Summary").fill("It is misused from the office.")
    page.get_by_label("Services that use").fill("no such service")
    page.get_by_label("What was wrong?").fill("It was another subnet.")
    page.get_by_role("button", name="Make the corrected version").click()
    expect(page.locator("#missing-error")).to_contain_text("that you may review")
    expect(page.get_by_label("Summary")).to_have_value("It is misused from the office.")
    page.get_by_label("Services that use").fill("")
    page.get_by_role("button", name="Make the corrected version").click()
    page.wait_for_url(lambda url: "correct" not in url)
    assert world.state_of(proposal_id) == "superseded"
    assert [line for line in alice.complaints if "status of 400" not in line] == []
    alice.complaints.clear()
