"""Leaving something out in Chromium: the form by keyboard, a real passkey, the new version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from remediation import models as m
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.people import account, come_in
from tests.browser.test_running import accessible
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
WHY = "The third target is not part of it."


@pytest.fixture
def world(tmp_path: Path, settings: Settings, origin: str) -> World:
    return World(tmp_path, settings, ("t1", "t2", "t3"), "production")


def owner(world: World, name: str) -> m.User:
    user = account(name, "service_owner")
    for version in m.ServiceVersion.objects.filter(environment="production"):
        factories.grant(user, "review_service", version.service)
    return user


def test_a_step_is_left_out_and_the_rest_is_signed(
    world: World, visit: Callable[[], Visitor]
) -> None:
    old = world.in_review()
    bob = visit()
    come_in(bob, owner(world, "bob-b"))
    page = bob.open(f"/proposals/{old}/")
    page.get_by_role("link", name="Leave something out").click()
    page.wait_for_url("**/narrow/")  # and for its script
    expect(page.get_by_text("3 of 3 steps stay")).to_be_visible()
    # Enter and a click without anything chosen change nothing, and say what is missing.
    sign = page.get_by_role("button", name="Sign what is left")
    sign.click()
    expect(page.get_by_role("alert")).to_have_text("Choose something to leave out.")
    third = page.get_by_label("Leave step 3 out")
    third.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("2 of 3 steps stay")).to_be_visible()
    accessible(bob)
    for width in (360, 390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert not bob.overflows(), width
    bob.shoot("narrow")
    sign.click()
    expect(page.get_by_role("alert")).to_contain_text("say yes three times")
    for words in ("the diagnosis is right", "the scope is acceptable", "what is left of the plan"):
        page.get_by_label(words).check()
    page.get_by_label("Why is it left out?").fill(WHY)
    assert world.state_of(old) == "in_review"
    sign.click()
    expect(page.get_by_text("This is the version that you signed")).to_be_visible()
    made = m.Proposal.objects.get(supersedes_id=old)
    assert made.narrowing.slot == "service_owner"
    assert made.targets.count() == 2
    world.assess(made.pk)
    bob.open(f"/proposals/{made.pk}/")
    expect(page.get_by_text("That counts as your approval")).to_be_visible()
    expect(page.locator("#rail")).to_contain_text("Service owner bob-b approved")
    bob.shoot("narrowed-review")
    assert m.Assessment.objects.get(proposal=made).narrowing_counts


def test_a_verdict_is_kept_as_a_draft_while_what_it_judged_is_unchanged(
    world: World, visit: Callable[[], Visitor]
) -> None:
    """A18: offered, never selected by itself; gone where something changed."""
    old = world.in_review()
    bob = visit()
    come_in(bob, owner(world, "bob-b"))
    page = bob.open(f"/proposals/{old}/")
    page.get_by_label("Yes, the diagnosis is right").check()
    page.get_by_label("Yes, the action is right").check()
    world.set_state("t2", "other")
    world.assess(old, reason="drift")
    page = bob.open(f"/proposals/{old}/")
    assert page.locator("#decide input:checked, .verdict input:checked").count() == 0
    expect(page.locator("#verdict-diagnosis")).to_contain_text("Your draft from round 1: yes")
    expect(page.locator("#verdict-action")).not_to_contain_text("draft")
    expect(page.get_by_text("test.target:t2: state on → other")).to_be_visible()
    bob.shoot("draft")
    take = page.locator("#verdict-diagnosis button")
    take.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Yes, the diagnosis is right")).to_be_checked()
    expect(page.locator(".verdictdraft")).to_have_count(0)
