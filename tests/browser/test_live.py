"""The card "Still active?" at a browser: asks when opened, polls, stops; WCAG 2.2 AA."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from remediation import models as m
from remediation.executors.base import Compared
from remediation.services.assessment import leaked, read_live
from remediation.services.assessment.leaked import Leaked, Spot
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
    compared = Compared((True,), "server ledger")
    with factories.acting(WORKER):
        entry = factories.entry(
            "worker:secret:compared", WORKER_ACTOR.ref, f"incident:{incident.pk}"
        )
        m.SecretCheck.objects.create(
            request=m.LiveRequest.objects.latest("pk"),
            in_force=leaked.verdict(compared),
            body=leaked.body(Leaked((), ((spot,),)), compared, "2026-11-30T14:03:00.000000Z"),
            actor=WORKER_ACTOR.ref,
            entry=entry,
        )
