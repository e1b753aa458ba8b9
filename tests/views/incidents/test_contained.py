"""The page of an incident says whether it is contained, by what, and what is missing."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest

from remediation import models as m
from remediation.services.execution import confirm, look
from tests import factories
from tests.factories import WORKER, Person
from tests.flows.world import WORKER_ACTOR, World, acts
from tests.views.conftest import Browser, BrowserOf, text_of

REASON = "The night shift ended it on the server."


@pytest.fixture
def lena() -> Person:
    return factories.person(f"lena{factories.number()}", roles=["lead"])


@pytest.fixture
def lenas(browser_of: BrowserOf, lena: Person, db: None) -> Browser:
    return browser_of(lena)


def succeeded(world: World, proposal_id: UUID) -> m.Incident:
    for name in ("alice", "bob"):
        world.decide(name, proposal_id)
    world.execute(proposal_id)
    return world.get(proposal_id).incident


def let_pass(incident: m.Incident, **delta: float) -> None:
    for row in [*incident.transitions.all(), *incident.looks.all()]:
        factories.backdate(row, **delta)


def looks(world: World) -> int:
    with acts(WORKER):
        return look.look(actor=WORKER_ACTOR)


def page_of(browser: Browser, incident: m.Incident) -> str:
    return " ".join(text_of(browser.get("incident", incident.pk)).split())


def test_contained_since_when_by_what_and_when_the_next_look_is(
    world: World, proposal_id: UUID, lenas: Browser
) -> None:
    incident = succeeded(world, proposal_id)
    page = page_of(lenas, incident)
    assert "Contained since" in page
    assert f'<a href="/proposals/{proposal_id}/execution/">a run that was seen' in page
    assert "none yet" in page and "Next look" in page
    let_pass(incident, minutes=1)
    assert looks(world) == 1
    page = page_of(lenas, incident)
    assert "without access</span>" in page and "test.target:t1</span>: without access" in page
    history = text_of(lenas.get("incident_history", incident.pk))
    assert "Looked at the identity: without access" in history


def test_open_again_and_why(world: World, proposal_id: UUID, lenas: Browser) -> None:
    incident = succeeded(world, proposal_id)
    world.set_state("t1", "on")
    let_pass(incident, minutes=1)
    assert looks(world) == 1
    page = page_of(lenas, incident)
    assert "Open again," in page and "access was found at test.target:t1" in page
    assert "has access</span>" in page
    assert "Contained since" not in page and "Next look" not in page
    assert "Acted on, not contained" not in page
    assert "<strong>Open again</strong>" in page, "in the timeline"


def test_a_look_that_could_not_read_is_never_shown_as_without_access(
    world: World, proposal_id: UUID, lenas: Browser
) -> None:
    incident = succeeded(world, proposal_id)
    world.inject({"t1": {"unobservable": True}})
    let_pass(incident, minutes=1)
    assert looks(world) == 1
    page = page_of(lenas, incident)
    assert "could not be read</span>" in page and "injected" in page
    # The explanation of the word "contained" says it in general.
    assert "without access" not in re.sub(r' title="[^"]*"', "", page)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (None, "No place where the identity is without access is on record."),
        (
            [{"place": "replica-2", "without_access": None, "open": []}],
            "replica-2</span> It could not be read there.",
        ),
        (
            [{"place": "primary", "without_access": True, "open": ["session 4711"]}],
            "primary</span> The identity had access there. Still open there: <span",
        ),
    ],
)
def test_acted_on_not_contained_with_what_is_missing(
    world: World,
    proposal_id: UUID,
    lenas: Browser,
    monkeypatch: pytest.MonkeyPatch,
    points: Any,
    said: str,
) -> None:
    data = {"points": points, "at": "x"} if points else {}
    monkeypatch.setattr(confirm, "confirming", lambda step, seen, now: {**seen.state, **data})
    incident = succeeded(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    page = page_of(lenas, incident)
    assert "Acted on, not contained" in page and said in page
    assert "Contained since" not in page


def test_a_person_asks_for_a_look_and_confirms_it(
    world: World, proposal_id: UUID, lenas: Browser, lena: Person, browser_of: BrowserOf
) -> None:
    incident = world.get(proposal_id).incident
    world.set_state("t1", "off")
    assert "Confirm: it is contained" not in page_of(lenas, incident)
    assert lenas.post("incident_look", incident.pk).status_code == 302
    assert "the worker has not looked yet" in page_of(lenas, incident)
    assert looks(world) == 1
    page = page_of(lenas, incident)
    assert "Confirm: it is contained" in page and "the worker has not looked yet" not in page
    found = incident.looks.get()
    owner = browser_of(world.people["dave"])
    assert "Look now" not in page_of(owner, incident)
    assert owner.post("incident_confirm", incident.pk, look=str(found.pk)).status_code == 403
    assert lenas.post("incident_confirm", incident.pk, look="x").status_code == 404
    assert not incident.transitions.exists()
    assert lenas.post("incident_confirm", incident.pk, look=str(found.pk)).status_code == 302
    page = page_of(lenas, incident)
    assert "a look of the worker, confirmed by" in page and lena.user.username in page
    assert "Confirm: it is contained" not in page


def test_the_list_can_be_limited_to_a_state(
    world: World, proposal_id: UUID, lenas: Browser
) -> None:
    contained = succeeded(world, proposal_id)
    opened = factories.incident(m.Agent.objects.get(), "test.target:t9", title="Newer")

    def listed(**query: str) -> set[str]:
        page = text_of(lenas.get("incidents", **query))
        return {str(one.pk) for one in (contained, opened) if f"/incidents/{one.pk}/" in page}

    assert listed() == listed(state="nonsense") == {str(contained.pk), str(opened.pk)}
    assert listed(state="contained") == {str(contained.pk)}
    assert listed(state="open") == {str(opened.pk)}
    assert listed(state="closed") == set()


def test_contained_is_offered_as_outcome_only_of_what_is_contained(
    world: World, proposal_id: UUID, lenas: Browser
) -> None:
    incident = world.get(proposal_id).incident
    answer = lenas.post("incident_close", incident.pk, outcome="contained", reason=REASON)
    assert answer.status_code == 422
    assert "The incident is not contained now." in text_of(answer)
    assert REASON in text_of(answer)
    assert not incident.transitions.exists()


def test_a78_closing_says_what_will_not_run_and_the_review_offers_no_decision(
    world: World, proposal_id: UUID, lenas: Browser, browser_of: BrowserOf
) -> None:
    incident = world.get(proposal_id).incident
    alice = browser_of(world.people["alice"])
    assert 'data-decision="approve"' in text_of(alice.get("review", proposal_id))
    page = page_of(lenas, incident)
    assert "What will not run any more" in page and "Record a call for test target t1." in page
    lenas.act("incident_close", incident.pk, outcome="handled_outside", reason=REASON)
    page = text_of(alice.get("review", proposal_id))
    assert "The incident is closed, so this proposal does not run any more." in page
    assert 'data-decision="approve"' not in page
    assert "Look now" not in page_of(lenas, incident)
