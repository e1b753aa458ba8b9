"""The page of an incident without a proposal, and comments on both pages: by click and by axe."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from remediation import models as m
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.test_accessible import judge
from tests.factories import incidents as make
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
Come = Callable[[m.User], Visitor]


def bare() -> m.Incident:
    """An incident that was reported without a plan; the inventory knows its identity."""
    owner = factories.person()
    incident = factories.incident(
        factories.agent(owner), "test.target:ledger-key", title="Key used from an unknown network"
    )
    factories.evidence(incident, make.artefact("ledger-key"))
    factories.evidence(incident, b"plain text of a log", attacker_writable=True)
    factories.diagnosis(incident, "ledger-key")
    identity = factories.identity("test.target:ledger-key")
    service = factories.service("ledger")
    factories.dependency(service, identity)
    factories.settle_inventory()
    return incident


def test_from_a_bare_incident_to_an_owner_and_an_answer(world: World, come: Come) -> None:
    incident = bare()
    ann = factories.person("ann", roles=["security"])
    ben = factories.person("ben", roles=["lead"])
    path, wrong = f"/incidents/{incident.pk}/", list[str]()
    visitor = come(ann.user)
    page = visitor.open(path)
    expect(page.get_by_role("heading", name="Needs a plan:")).to_be_visible()
    expect(page.get_by_text("ledger-key is misused")).to_be_visible()
    wrong += judge(visitor, "incident bare")
    page = visitor.open(path)
    page.get_by_role("button", name="I take it").click()
    expect(page.get_by_text("The incident is yours.")).to_be_visible()
    page.get_by_label("Comment or question").fill("Who rotated this key last?")
    page.get_by_text("Ask somebody by name").click()
    assert not page.get_by_label("ben").is_checked()
    page.get_by_label("ben").check()
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".happened .said")).to_contain_text("Who rotated this key last?")
    expect(page.locator(".happened")).to_contain_text("asks ben")
    assert m.Telling.objects.get().person == ben.id
    wrong += judge(visitor, "incident asked")
    lead = come(ben.user)
    page = lead.open(path)
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_text("The incident is yours.")).to_be_visible()
    assert not wrong, "\n".join(wrong)


def test_a_question_on_the_review_page_leaves_the_proposal(world: World, come: Come) -> None:
    proposal_id = world.in_review()
    visitor = come(world.people["alice"].user)
    page = visitor.open(f"/proposals/{proposal_id}/")
    card = page.locator("#comments")
    card.get_by_text("Comments and questions").click()
    card.get_by_label("Comment or question").fill("Is the replica covered?")
    card.get_by_text("Ask somebody by name").click()
    card.get_by_label("bob").check()
    card.get_by_role("button", name="Comment").click()
    expect(page.locator("#comments .said")).to_contain_text("Is the replica covered?")
    assert world.state_of(proposal_id) == "in_review"
    page.locator("#comments").get_by_role("button", name="Comment").click()
    assert m.IncidentComment.objects.count() == 1
    assert not judge(visitor, "review with comments")


def test_the_list_of_incidents(world: World, come: Come) -> None:
    incident = bare()
    old = factories.incident(incident.agent, "test.target:old", title="Login from afar at night")
    for field in ("recorded_at", "detected_at"):
        factories.backdate(old, field, hours=3)
    factories.incident_move(factories.proposal_at("succeeded").incident, "contained")
    world.in_review()
    lead = factories.person("lena", roles=["lead"])
    factories.assignment(incident, lead.id, lead)
    visitor = come(lead.user)
    page = visitor.open("/incidents/")
    expect(page.locator("tbody tr")).to_have_count(4)
    wrong = judge(visitor, "incidents list")
    page.get_by_role("link", name="Overdue").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="Login from afar at night")).to_be_visible()
    page = visitor.open("/incidents/")
    page.get_by_label("Title, identity or kind").fill("unknown network")
    page.get_by_label("Title, identity or kind").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert not wrong, "\n".join(wrong)
