"""A rotation in Chromium: what a reviewer reads of order and waits, and a run that waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from remediation import models as m
from remediation.domain.conditions import ConsumerSeen, Use
from remediation.domain.plan import Plan
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.people import account, come_in
from tests.browser.test_first_screen import measured
from tests.browser.test_running import approve_key_of
from tests.browser.test_ways import at_every_width
from tests.flows import rotation
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
WHY = "The batch was restarted by hand and reads the new token."


@pytest.fixture
def world(tmp_path: Path, settings: Settings, origin: str) -> World:
    return World(tmp_path, settings, ("t1",), "production")


def reviewer(name: str, role: str = "security") -> m.User:
    user = account(name, role)
    for service in m.Service.objects.all():
        factories.grant(user, "review_service", service)
    return user


def looked(wait: m.Wait) -> None:
    now = rotation.sighting("consumers_moved").at
    old, new = now - timedelta(minutes=3), now - timedelta(minutes=1)
    seen = (
        ConsumerSeen("billing-api", Use.MOVED, old, new),
        ConsumerSeen("invoice-mail", Use.FETCHED, old, None, "reads version 1 of the store"),
    )
    rotation.saw(
        wait,
        [
            rotation.sighting("consumers_moved", consumers=seen, others=("10.0.0.9 as psql",)),
            rotation.sighting("old_quiet", old_used_at=old),
        ],
        [
            ("consumers_moved", "not_moved", "billing-batch, invoice-mail"),
            ("old_quiet", "old_in_use", ""),
        ],
    )


@pytest.mark.parametrize(
    ("name", "made", "order"),
    [
        ("move", rotation.move_first, "Move first:"),
        ("cut", rotation.cut_first, "Cut first:"),
    ],
)
def test_a_reviewer_reads_the_order_and_the_waits(
    world: World,
    visit: Callable[[], Visitor],
    name: str,
    made: Callable[[], Plan],
    order: str,
) -> None:
    proposal = rotation.rotation(world, made())
    alice = visit()
    come_in(alice, reviewer(f"alice-{name}"))
    page = alice.open(f"/proposals/{proposal.pk}/")
    expect(page.locator(".tile .order")).to_contain_text(order)
    expect(page.locator(".tile .plannedwait").first).to_contain_text("billing-batch")
    found = measured(page)
    assert (found["outside"], found["found"], found["preselected"]) == ([], 3, 0)
    at_every_width(alice, f"waits-review-{name}")
    page.locator("#steps > summary").click()
    alice.shoot(f"waits-review-{name}-steps")


def test_a_person_answers_a_run_that_waits(world: World, visit: Callable[[], Visitor]) -> None:
    run = rotation.begun(world, rotation.move_first())
    wait = rotation.waits(run, conditions=["consumers_moved", "old_quiet"], person=False)
    alice, user = visit(), reviewer("alice-b")
    come_in(alice, user)
    approve_key_of(world, user)
    page = alice.open(f"/proposals/{run.proposal_id}/execution/")
    expect(page.get_by_role("heading", name="Waiting for billing-api")).to_be_visible()
    page.get_by_label("Reason").fill(WHY)
    # Nobody loads the page again: what was seen appears, and no typed word is lost.
    looked(wait)
    expect(page.get_by_role("heading", name="Waiting for billing-batch")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value(WHY)
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    at_every_width(alice, "waits-run")
    page.get_by_role("radio", name="Wait longer").check()
    page.get_by_role("button", name="Sign the answer").click()
    expect(page.locator("#longer:invalid")).to_be_visible()
    page.get_by_role("radio", name="Go on").check()
    page.get_by_role("button", name="Sign the answer").click()
    expect(page.get_by_role("heading", name="Answer signed by")).to_be_visible()
    assert m.Halt.objects.get().decision == "go_on"
    rotation.late(wait)
    page.reload()
    expect(page.locator("#waiting")).to_contain_text("People were notified.")
    alice.shoot("waits-run-overdue")
    assert alice.complaints == []


def test_a_wait_for_a_person_stands_in_the_queue(
    world: World, visit: Callable[[], Visitor]
) -> None:
    run = rotation.begun(world, rotation.move_first(**rotation.wait(person=True)))
    rotation.waits(run, person=True)
    alice, user = visit(), reviewer("alice-q")
    come_in(alice, user)
    page = alice.open("/")
    expect(page.locator("#group-asks")).to_contain_text("Runs that wait for you")
    alice.shoot("waits-queue")
    page.locator("[aria-labelledby=group-asks] a.queuerow").first.click()
    expect(page.get_by_role("heading", name="Waiting for a person")).to_be_visible()
    alice.shoot("waits-run-person")
