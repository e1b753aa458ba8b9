"""The card "Still active?" at a browser: asks when opened, polls, stops; WCAG 2.2 AA."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from remediation import models as m
from remediation.domain.secrets.compared import Spot, body, verdict
from remediation.services.assessment import read_live
from remediation.services.learning import ask_outcome
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.test_accessible import judge
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


def answer() -> int:
    with acts(WORKER):
        return read_live.answer_due(actor=WORKER_ACTOR)


def test_the_page_asks_and_shows_the_answer(
    world: World, come: Callable[[m.User], Visitor]
) -> None:
    proposal_id = world.in_review()
    alice = come(world.people["alice"].user)
    wrong: list[str] = []
    for name, path in (
        ("review", f"/proposals/{proposal_id}/"),
        ("incident", f"/incidents/{world.get(proposal_id).incident_id}/"),
    ):
        page = alice.open(path)
        card = page.locator("#live")
        if name == "review":
            expect(card).to_contain_text("the worker is reading it")
            wrong.extend(judge(alice, "live waiting"))
            assert answer() == 1
        expect(card).to_contain_text("It is on.")
        expect(page.locator('#live[hx-trigger*="every"]')).to_have_count(0)
        wrong.extend(judge(alice, f"live {name}"))
    world.set_state("t1", "off")
    for row in m.LiveObservation.objects.all():
        factories.backdate(row, minutes=1)
    alice.open(f"/proposals/{proposal_id}/")
    expect(alice.page.locator("#live")).to_contain_text("the worker is reading it")
    expect(alice.page.locator("#live")).to_contain_text("It is on.")  # the old value stays
    assert answer() == 1
    expect(alice.page.locator("#live")).to_contain_text("It is not as it was pinned")
    wrong.extend(judge(alice, "live differs"))
    _leak(world.get(proposal_id).incident)
    alice.open(f"/proposals/{proposal_id}/")
    expect(alice.page.locator("#live")).to_contain_text("is still in force")
    wrong.extend(judge(alice, "live leaked"))
    assert not wrong, "\n".join(wrong)


def _leak(incident: m.Incident) -> None:
    spot = Spot(incident.evidence.get().sha256, 1, 8, "connection_string")
    at = "2026-11-30T14:03:00.000000Z"
    with factories.acting(WORKER):
        entry = factories.entry(
            "worker:secret:compared", WORKER_ACTOR.ref, f"incident:{incident.pk}"
        )
        m.SecretCheck.objects.create(
            request=m.LiveRequest.objects.latest("pk"),
            in_force=verdict([True], ""),
            body=body([[spot]], [True], at=at, place="server ledger"),
            actor=WORKER_ACTOR.ref,
            entry=entry,
        )


def test_how_it_turned_out(world: World, come: Callable[[m.User], Visitor]) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    for move in m.Transition.objects.filter(proposal=proposal_id).order_by("id"):
        factories.backdate(move, days=1)
    with acts(WORKER):
        assert ask_outcome.ask_due(actor=WORKER_ACTOR) > 0
    incident = world.get(proposal_id).incident
    _leak_of(incident, world)
    alice = come(world.people["alice"].user)
    page = alice.open(f"/proposals/{proposal_id}/execution/")
    wrong = judge(alice, "outcome asked")
    card = page.locator("#outcomes")
    expect(card.locator("input:checked")).to_have_count(0)  # nothing is preselected
    card.get_by_role("radiogroup", name="Diagnosis").get_by_label("right", exact=True).check()
    card.get_by_role("radiogroup", name="Action").get_by_label("too broad").check()
    card.get_by_label("What was not visible").fill("A second job used the role. <b>x</b>")
    card.get_by_role("button", name="Record my answer").click()
    expect(page.locator("#outcomes")).to_contain_text("A second job used the role. <b>x</b>")
    expect(page.locator("#outcomes")).to_contain_text("1 run, 1 too broad, 0 outages")
    expect(page.locator("#outcomes form")).to_have_count(0)
    page.locator("#outcomes summary").click()
    wrong += judge(alice, "outcome answered")
    alice.open(f"/incidents/{incident.pk}/")
    expect(alice.page.locator("#outcomes")).to_contain_text("about a run")
    wrong += judge(alice, "outcome incident")
    assert not wrong, "\n".join(wrong)


def _leak_of(incident: m.Incident, world: World) -> None:
    person = world.people["alice"]
    with factories.acting("hitl_web"):
        entry = factories.entry("person:live:asked", person.actor, f"incident:{incident.pk}")
        m.LiveRequest.objects.create(
            incident=incident, locator=incident.locator, person=person.id, entry=entry
        )
    _leak(incident)
