"""The card "Still active?": asked by POST only, polled until an answer comes, beside the pin."""

from __future__ import annotations

import json
from uuid import UUID

from remediation import models as m
from remediation.domain.secrets.compared import Spot, body, verdict
from remediation.services.assessment import read_live
from tests import factories
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts
from tests.views.conftest import BrowserOf, text_of

HOSTILE = "\u202e</section><script>alert(1)</script>"


def answer() -> int:
    with acts(WORKER):
        return read_live.answer_due(actor=WORKER_ACTOR)


def words(answered: object) -> str:
    return " ".join(text_of(answered).split())


def test_a_get_asks_for_nothing_and_the_page_asks_by_its_script(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    """A17"""
    alice = browser_of(world.people["alice"])
    incident = world.get(proposal_id).incident
    for name, pk in (("review", proposal_id), ("incident", incident.pk)):
        page = words(alice.get(name, pk))
        assert "not read yet" in page and 'hx-trigger="load, submit"' in page
    words(alice.get("proposal_live", proposal_id))
    words(alice.get("incident_live", incident.pk))
    assert m.LiveRequest.objects.count() == 0
    assert alice.get("proposal_live_read", proposal_id).status_code == 405


def test_asked_polled_and_answered_beside_the_pin(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    alice.client.defaults["HTTP_HX_REQUEST"] = "true"
    asked = words(alice.post("proposal_live_read", proposal_id))
    assert 'hx-trigger="every 2s"' in asked and "the worker is reading it" in asked
    assert 'hx-trigger="load' not in asked
    world.set_state("t1", "off")
    assert answer() == 1
    page = words(alice.get("proposal_live", proposal_id))
    assert "every 2s" not in page, "it stops when the answer is there"
    assert "Its state is off." in page
    assert "It is not as it was pinned" in page and ">on</span>" in page and ">off</span>" in page
    assert world.get(proposal_id).round == 1


def test_what_is_as_pinned_is_said_too(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    alice.post("proposal_live_read", proposal_id)
    answer()
    page = words(alice.get("review", proposal_id))
    assert "As it was pinned at" in page and "It is on." in page and "active" in page


def test_without_script_the_button_leads_back(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    answered = alice.post("proposal_live_read", proposal_id)
    assert answered.status_code == 302 and answered.url.endswith(f"/proposals/{proposal_id}/")


def test_nobody_else_asks_or_sees(world: World, proposal_id: UUID, browser_of: BrowserOf) -> None:
    stranger = browser_of(factories.person(f"stranger{factories.number()}"))
    assert stranger.post("proposal_live_read", proposal_id).status_code == 404
    assert stranger.get("proposal_live", proposal_id).status_code == 404
    incident = world.get(proposal_id).incident
    assert stranger.post("incident_live_read", incident.pk).status_code == 404
    assert m.LiveRequest.objects.count() == 0


def test_an_unreadable_target_is_said_with_why_and_the_last_value_stays(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    alice.post("proposal_live_read", proposal_id)
    world.inject({"t1": {"unobservable": True}})
    answer()
    page = words(alice.get("proposal_live", proposal_id))
    assert "could not be read" in page and "injected" in page


def test_a_hostile_target_stays_text(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    """A10"""
    alice = browser_of(world.people["alice"])
    alice.post("proposal_live_read", proposal_id)
    path = world.directory / "state" / "t1.json"
    path.write_text(json.dumps({"exists": True, "state": HOSTILE}), encoding="utf-8")
    answer()
    page = text_of(alice.get("proposal_live", proposal_id))
    assert "<script>" not in page and "\u202e" not in page and "&lt;script&gt;" in page


def test_a_secret_in_force_and_then_not_any_more(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    incident = world.get(proposal_id).incident
    artefact = incident.evidence.get()
    spot = Spot(artefact.sha256, 1, 8, "assigned_secret")
    for found, at in (
        (True, "2026-11-22T10:00:00.000000Z"),
        (False, "2026-11-22T10:05:00.000000Z"),
    ):
        _check(incident, spot, found, at)
        page = words(alice.get("incident_live", incident.pk))
        assert ("is still in force" in page) is found
        assert ("is no longer in force" in page) is not found
        assert "server &lt;ledger&gt;" in page or not found


def _check(incident: m.Incident, spot: Spot, found: bool, at: str) -> None:
    person = factories.person(f"asks{factories.number()}", roles=["lead"])
    with factories.acting("hitl_web"):
        entry = factories.entry("person:live:asked", person.actor, f"incident:{incident.pk}")
        request = m.LiveRequest.objects.create(
            incident=incident, locator=incident.locator, person=person.id, entry=entry
        )
    with factories.acting(WORKER):
        entry = factories.entry(
            "worker:secret:compared", WORKER_ACTOR.ref, f"incident:{incident.pk}"
        )
        m.SecretCheck.objects.create(
            request=request, in_force=verdict([found], ""), actor=WORKER_ACTOR.ref,
            body=body([[spot]], [found], at=at, place="server <ledger>"), entry=entry,
        )  # fmt: skip
