"""The page on which a person decides: what it shows, and that looking changes nothing."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain.catalogue import ACTIONS
from tests import factories
from tests.flows.test_seen_again import look_again
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of


def test_a03_the_page_shows_the_plans_own_bytes_and_their_digest(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    proposal = world.get(proposal_id)
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    shown = re.search(r'<pre class="bytes" id="plan-bytes">(.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    assert html.unescape(shown[1].removeprefix("\n")).encode() == bytes(proposal.plan)
    assert proposal.plan_digest in page
    assert proposal.diagnosis.digest in page


def test_the_sentence_is_the_portals_own(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    spec = ACTIONS["test.noop"]
    sentence = spec.sentence.format(name="t1")
    assert f'<h1 lang="en">{spec.headline.format(name="t1")}</h1>' in page
    assert "In production." in page
    assert f"Reversible: {sentence}" in page
    assert 'Reversed by</dt><dd><span class="mono">test.noop</span>' in re.sub(r">\s+<", "><", page)


def test_a_plan_of_several_steps_is_told_step_by_step(
    tmp_path: Path, settings: Settings, db: None, browser_of: BrowserOf
) -> None:
    world = World(tmp_path, settings, targets=("t1", "t2"))
    page = text_of(browser_of(world.people["alice"]).get("review", world.in_review()))
    told = re.search(r'<ol class="sentences">(.*?)</ol>', page)
    assert told is not None
    assert re.findall(r'<li lang="en">(.*?)</li>', told[1]) == [
        "Record a call for test target t1.",
        "Record a call for test target t2.",
    ]
    assert len(re.findall(r'<article class="step">', page)) == 2


def test_a18_nothing_is_preselected_and_nothing_is_sent_by_enter(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    form = page[page.index('<form id="decision"') :]
    assert len(re.findall(r'type="radio"', page)) >= 6
    assert "checked" not in re.sub(r"data-\w+", "", page)
    assert '<option value="">Choose a reason</option>' in form
    submits = re.findall(r"<button[^>]*type=\"submit\"[^>]*>", form[: form.index("</form>")])
    assert submits == ['<button type="submit" disabled hidden aria-hidden="true" tabindex="-1">']
    assert re.search(r'type="button" data-decision="approve"', form)


def test_unknowns_are_said_aloud(world: World, proposal_id: UUID, browser_of: BrowserOf) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    assessment = m.Assessment.objects.get(proposal_id=proposal_id)
    unknown = json.loads(bytes(assessment.scope))["unknown"]
    assert unknown, "the world's inventory is young, so there must be something to say"
    for reason in unknown:
        assert html.escape(reason) in page


def test_all_checks_are_listed_with_their_reasons(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    found = json.loads(bytes(m.Assessment.objects.get(proposal_id=proposal_id).checks))["checks"]
    assert len(re.findall(r'<li class="check ', page)) == len(found)
    for check in found:
        assert html.escape(check["reason"]) in page


def test_the_gate_is_shown_in_its_seven_numbered_steps(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    steps = re.findall(r'<li class="(\w+)"><span class="num" aria-hidden="true">(\d)</span>', page)
    assert [number for _, number in steps] == list("1234567")
    # Nobody has signed: what is still to come is not shown as failed.
    words = dict((n, word) for word, n in steps)
    assert (words["4"], words["7"]) == ("later", "later")


def test_a17_opening_the_page_changes_nothing(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    before = Entry.objects.count(), m.ReviewSession.objects.count(), m.OutboxMessage.objects.count()
    for name in ("review", "proposal_history", "review_rail"):
        alice.get(name, proposal_id)
    alice.get("queue")
    alice.get("incidents")
    after = Entry.objects.count(), m.ReviewSession.objects.count(), m.OutboxMessage.objects.count()
    assert after == before


@pytest.mark.parametrize("name", ["review_start", "review_sign", "observe"])
def test_a17_what_changes_something_answers_no_get(
    world: World, proposal_id: UUID, browser_of: BrowserOf, name: str
) -> None:
    assert browser_of(world.people["alice"]).get(name, proposal_id).status_code == 405


def test_somebody_without_a_right_sees_nothing(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    stranger = factories.person(roles=["inventory_editor"])
    answer = browser_of(stranger).get("review", proposal_id)
    assert answer.status_code == 404
    assert "test.noop" not in text_of(answer)


def test_a11_the_agents_owner_may_look_but_is_told_why_not_decide(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["dave"]).get("review", proposal_id))
    assert "You can&#x27;t decide here, because you took part" in page
    assert '<form id="decision"' not in page
    assert 'type="radio"' not in page


def test_a_decision_of_mine_is_shown_instead_of_the_form(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    assert "You already decided in this round: approve as security." in page
    assert '<form id="decision"' not in page


def test_an_old_observation_cannot_be_decided_on(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    factories.backdate(m.Assessment.objects.get(proposal_id=proposal_id), minutes=11)
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    assert "Too old to sign" in page
    assert '<form id="decision"' not in page


def test_the_rail_says_when_the_page_has_grown_old(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    seen = f"{m.Assessment.objects.get(proposal_id=proposal_id).pk}.0"
    assert "out of date" not in text_of(alice.get("review_rail", proposal_id, seen=seen))
    world.assess(proposal_id, reason="drift")
    answer = alice.get("review_rail", proposal_id, seen=seen)
    assert "out of date" in text_of(answer)
    assert answer.status_code == 286  # htmx stops polling


def test_the_rail_of_a_signed_out_person_says_so(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    answer = browser_of(None).get("review_rail", proposal_id)
    assert answer.status_code == 286
    assert "You are signed out" in text_of(answer)


def test_earlier_rounds_are_shown_as_counting_no_more(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    world.assess(proposal_id, reason="drift")
    page = text_of(browser_of(world.people["bob"]).get("review", proposal_id))
    assert "Decided in earlier rounds" in page
    assert "round 1" in page


def test_the_rail_says_so_after_an_equal_look_too(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    """Fields that are shown and not pinned may differ."""
    alice = browser_of(world.people["alice"])
    seen = f"{m.Assessment.objects.get(proposal_id=proposal_id).pk}.0"
    look_again(world, proposal_id)
    answer = alice.get("review_rail", proposal_id, seen=seen)
    assert "out of date" in text_of(answer) and answer.status_code == 286
