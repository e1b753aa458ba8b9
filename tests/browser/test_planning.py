"""A person makes a plan, and compares an agent's plans, in Chromium."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.db import transaction
from playwright.sync_api import expect

from remediation import models as m
from remediation.domain.report import Alternative
from remediation.services.reporting import submit
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.conftest import Come
from tests.browser.test_running import accessible
from tests.factories import WEB
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
WHY = "The agent gave no plan, and the key is in use from outside."


def at_every_width(visitor: Visitor, name: str) -> None:
    accessible(visitor)
    for width in (390, 768, 1440):
        visitor.page.set_viewport_size({"width": width, "height": 900})
        assert not visitor.overflows(), width
    visitor.shoot(name)


def test_a_plan_is_made_with_the_keyboard_alone(world: World, come: Come) -> None:
    """Also without a script: the form needs none."""
    without = replace(world.report(), plan=None, rationale="")
    with acts(WEB), transaction.atomic():
        incident_id = submit.report(without, actor=world.agent).incident_id
    alice = come(world.people["alice"].user)
    page = alice.open(f"/incidents/{incident_id}/")
    page.get_by_role("link", name="Make a plan").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Make a plan")
    page.get_by_label("Why this plan").fill("short")
    page.get_by_label("On another target").select_option("postgres.role.disable")
    page.get_by_role("button", name="Add this step").press("Enter")
    page.get_by_label("cluster").fill("Bad Cluster")
    # Enter in a field previews; it never submits or removes.
    page.get_by_label("cluster").press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("3 things to correct")
    expect(page.get_by_label("cluster")).to_have_value("Bad Cluster")
    expect(page.get_by_label("cluster")).to_have_attribute("aria-invalid", "true")
    at_every_width(alice, "plan-errors")
    # Chromium reports the status of the refused form, and nothing else.
    assert [one for one in alice.complaints if "422" not in one] == []
    alice.complaints.clear()
    page.get_by_role("button", name="Remove step 1").press("Enter")
    expect(page.get_by_role("button", name="Remove step 1")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Add.*target t1")).press("Enter")
    page.get_by_label("Why this plan").fill(WHY)
    page.get_by_role("button", name="Preview", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your plan")
    at_every_width(alice, "plan-preview")
    assert not m.Proposal.objects.exists()
    page.get_by_role("button", name="Submit for review").press("Enter")
    expect(page.get_by_text("Your plan is submitted.")).to_be_visible()
    made = m.Proposal.objects.get()
    assert made.planner == world.people["alice"].id and made.rationale == WHY


def test_an_agents_plans_stand_side_by_side(world: World, come: Come) -> None:
    plans = (
        factories.plan("t1", environment="production"),
        factories.plan("t1", "t9", environment="production"),
        factories.plan("t9", environment="production"),
    )
    why = "This one ends the misuse at once; the services of the team go on."
    report = replace(
        world.report(),
        plan=None,
        rationale="",
        alternatives=tuple(Alternative(plan, why) for plan in plans),
    )
    with acts(WEB), transaction.atomic():
        made = submit.report(report, actor=world.agent).alternatives
    for each in made:
        world.assess(each)
    bob = come(world.people["bob"].user)
    page = bob.open(f"/proposals/{made[0]}/")
    card = page.locator("section", has=page.get_by_role("heading", name="3 plans to choose from"))
    expect(card.locator(".alternative")).to_have_count(3)
    expect(card.locator("input")).to_have_count(0)  # nothing is preselected here
    at_every_width(bob, "review-alternatives")
    card.get_by_role("link", name="Open plan 2").press("Enter")
    expect(page.locator(".alternative.present")).to_contain_text("Plan 2")
