"""The page of an incident in each state of its containment: WCAG 2.2 AA, in both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from remediation import models as m
from remediation.services.execution import confirm, look
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.test_accessible import judge
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


def looks(incident: m.Incident) -> None:
    """The worker looks, after a day has passed."""
    for row in [*incident.transitions.all(), *incident.looks.all()]:
        factories.backdate(row, days=1)
    with acts(WORKER):
        assert look.look(actor=WORKER_ACTOR) == 1


def test_each_state_of_an_incident(
    world: World, come: Callable[[m.User], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [
        {"place": "ledger-replica-2.internal:5432", "without_access": None, "open": []},
        {"place": "ledger-primary.internal:5432", "without_access": True, "open": ["pid 4711"]},
    ]
    real = confirm.confirming
    said = {"points": points, "at": "x"}
    monkeypatch.setattr(confirm, "confirming", lambda step, seen, now: {**seen.state, **said})
    proposal_id = world.approved()
    world.execute(proposal_id)
    incident = world.get(proposal_id).incident
    lena = come(factories.person(f"lena{factories.number()}", roles=["lead"]).user)
    path = f"/incidents/{incident.pk}/"
    wrong: list[str] = []

    def check(state: str, says: str, unfold: str = "") -> None:
        page = lena.open(path)
        if unfold:
            page.locator("main summary").filter(has_text=unfold).click()
        expect(page.locator("main")).to_contain_text(says, use_inner_text=True)
        wrong.extend(judge(lena, f"incident {state}"))

    check("acted-on", "Acted on, not contained")
    lena.page.get_by_role("button", name="Look now").click()
    expect(lena.page.get_by_text("The worker looks at the identity").first).to_be_visible()
    with acts(WORKER):
        assert look.look(actor=WORKER_ACTOR) == 1
    check("contained", "Contained since")
    world.inject({"t1": {"unobservable": True}})
    looks(incident)
    check("unread", "could not be read")
    world.inject({})
    world.set_state("t1", "on")
    looks(incident)
    check("reopened", "Open again,")
    monkeypatch.setattr(confirm, "confirming", real)
    again = world.approved()
    check("closing", "What will not run any more", unfold="Close the incident")
    assert world.state_of(again) == "approved"
    lena.open("/incidents/?state=open")
    wrong.extend(judge(lena, "incidents open"))
    assert not wrong, "\n".join(wrong)
