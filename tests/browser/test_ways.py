"""A stopped and an unknown run in Chromium: the glance, people's ways out, and their signatures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from remediation import models as m
from remediation.domain import plan
from remediation.services.execution import settle_by_hand
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.people import approver, come_in
from tests.browser.test_running import accessible, approve_key_of
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts
from tests.services.execution.test_reverse_run import DONE, ended, record, steps

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
WHY = "The role was locked by hand on the server."
WIDTHS = (360, 768, 1440)
LONG = "orders_reporting_of_the_night_for_the_whole_of_europe"


@pytest.fixture
def world(tmp_path: Path, settings: Settings, origin: str) -> World:
    return World(tmp_path, settings, ("t1",), "production")


def run_of(world: World, phases: dict[str, list[str]], end: str) -> m.Proposal:
    roles = {"billing": True, LONG: True, "archive": True}
    made = plan.parse(
        {"version": 1, "environment": "production", "steps": steps(*roles)},
        protected=frozenset(),
    )
    return ended(world, made, roles, phases, end)


@pytest.fixture
def stopped(world: World) -> m.Proposal:
    """One step confirmed, one applied with a session still open, one not begun."""
    proposal = run_of(world, {"billing": DONE, LONG: []}, "unknown")
    left = {
        "incomplete": "a session did not end",
        "open": [f"db-7.internal.example: session 48112 of {LONG} does not end"],
    }
    record(m.Execution.objects.get(proposal=proposal), 1, "applied", left)
    factories.move(proposal, "stopped")
    return proposal


def at_every_width(visitor: Visitor, name: str) -> None:
    accessible(visitor)
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 800})
        assert not visitor.overflows(), width
    visitor.page.set_viewport_size({"width": 1440, "height": 900})
    visitor.shoot(name)


def judge(proposal: m.Proposal) -> None:
    """The worker verifies what waits."""
    with acts(WORKER):
        settle_by_hand.settle(proposal.pk, actor=WORKER_ACTOR)


def test_a_stopped_run_is_understood_at_one_glance_and_settled_by_hand(
    world: World, visit: Callable[[], Visitor], stopped: m.Proposal
) -> None:
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    approve_key_of(world, user)
    page = alice.open(f"/proposals/{stopped.pk}/execution/")
    glance = page.locator(".glance")
    for words in ("Still open", "Done and confirmed", "Applied, not confirmed", "Not done"):
        expect(glance.get_by_text(words)).to_be_visible()
    expect(glance.get_by_text("session 48112")).to_be_visible()
    # It stands above the fold of a laptop and of a phone held in one hand.
    box = glance.get_by_text("session 48112").bounding_box()
    assert box is not None and box["y"] < 600
    expect(page.locator(".ways form:visible")).to_have_count(0)
    at_every_width(alice, "run-stopped")
    # Each way opens by one click or key, and nothing is preselected.
    for words in ("Propose the rest", "Undo now, with your signature", "Settle it by hand"):
        page.locator("summary", has_text=words).focus()
        page.keyboard.press("Enter")
    at_every_width(alice, "run-stopped-open")
    page.get_by_label("What was done, and why that is enough").fill(WHY)
    page.get_by_role("button", name="Sign: settled by hand").click()
    expect(page.get_by_role("heading", name="Settlement signed by alice-b")).to_be_visible()
    judge(stopped)
    # Nobody loads the page again.
    expect(page.get_by_role("heading", name="Settled by hand by alice-b")).to_be_visible(
        timeout=15_000
    )
    expect(page.get_by_role("heading", level=1)).to_contain_text("Settled by hand.")
    expect(page.locator("#progress[hx-get]")).to_have_count(0)
    at_every_width(alice, "run-settled")


def test_a_rest_is_proposed_with_a_reason_and_two_clicks(
    world: World, visit: Callable[[], Visitor], stopped: m.Proposal
) -> None:
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    page = alice.open("/queue/")
    expect(page.get_by_role("heading", name="Stopped in the middle")).to_be_visible()
    alice.shoot("queue-stopped")
    alice.open(f"/proposals/{stopped.pk}/execution/")
    page.locator("summary", has_text="Propose the rest").click()
    page.locator("#rest-reason").fill(WHY)
    page.get_by_role("button", name="Send the proposal").click()
    expect(page.get_by_text("Nothing runs yet")).to_be_visible()
    made = m.Proposal.objects.get(supersedes=stopped)
    assert (made.state, made.editor) == ("submitted", user.person)


def test_an_unknown_run_is_settled_by_two_people(
    world: World, visit: Callable[[], Visitor]
) -> None:
    proposal = run_of(world, {"billing": DONE, LONG: ["unknown"]}, "unknown")
    for name in ("alice-b", "bob-b"):
        visitor, user = visit(), approver(world, name, "security")
        come_in(visitor, user)
        approve_key_of(world, user)
        page = visitor.open(f"/proposals/{proposal.pk}/execution/")
        expect(
            page.get_by_role("heading", name="The outcome of step 2 is not known")
        ).to_be_visible()
        expect(page.get_by_role("radio", checked=True)).to_have_count(0)
        if name == "bob-b":
            expect(page.get_by_text("alice-b says: the step was applied.")).to_be_visible()
        at_every_width(visitor, f"run-unknown-{name}")
        page.get_by_role("radio", name="The step was applied").check()
        page.get_by_label("How you saw it").fill(WHY)
        page.get_by_role("button", name="Sign what you saw").click()
        expect(page.get_by_role("heading", name=f"Settlement signed by {name}")).to_be_visible()
        judge(proposal)
    expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Stopped after step", timeout=15_000
    )
    assert world.state_of(proposal.pk) == "stopped"
