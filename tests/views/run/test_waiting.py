"""The page of a run that waits: for whom or what, what was seen, until when, and the answers."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain.conditions import ConsumerSeen, Use
from remediation.services.execution import waits
from tests import factories
from tests.flows import rotation
from tests.flows.world import World
from tests.views.conftest import Browser, BrowserOf, text_of

WHY = "The batch was restarted by hand; it reads the new token."


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1",), "production")


@pytest.fixture
def alice(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["alice"])


def run_of(world: World) -> m.Execution:
    return rotation.begun(world, rotation.move_first())


def waiting(run: m.Execution, **said: Any) -> m.Wait:
    return rotation.waits(
        run, **{"conditions": ["consumers_moved", "old_quiet"], "person": False, **said}
    )


def looked(wait: m.Wait) -> None:
    """One consumer is on the new one, one fetched it, one is silent; the old one was used."""
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


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def part(page: str, key: str, end: str) -> str:
    return words(page[page.index(f'id="{key}"') : page.index(end)])


def answer(browser: Browser, proposal: m.Proposal, **said: Any) -> Any:
    return browser.send("halt", proposal.pk, body={"found": "", "reason": WHY, **said})


def test_it_says_for_whom_it_waits_and_what_was_seen_of_each(world: World, alice: Browser) -> None:
    run = run_of(world)
    looked(waiting(run))
    page = text_of(alice.get("execution", run.proposal_id))
    head = part(page, "outcome", 'id="run-status"')
    assert "Waiting for billing-batch, invoice-mail to use the new credential" in head
    assert "The old credential was used at" in head and "unused after 1 d without a use" in head
    card = part(page, "waiting", 'id="progress"')
    assert "After step 1 of 3" in card
    # The wait ends before the conditions can be met.
    assert "too short: what it waits for takes longer" in card
    assert "People are notified then. It stops at" in card
    assert "and what is applied stays." in card
    rows = [words(row) for row in re.findall(r"<tr>.*?</tr>", page, re.S)]
    table = [row for row in rows if row.startswith(("billing", "invoice"))]
    # Those who are missing stand first.
    assert table[0].startswith(
        "billing-batch takes a new value by a restart, uses it at least every 1 d not seen"
    )
    assert table[1].startswith(
        "invoice-mail takes a new value by reading the store before each use, uses it at least"
        " every 15 min fetched reads version"
    )
    assert table[2].startswith("billing-api takes a new value by a reload, always connected moved")
    assert "10.0.0.9 as psql" in card
    step = part(page, "step-1", 'id="step-2"')
    assert f"New token {rotation.NEW}" in step


def test_a_run_that_stopped_while_it_waited_keeps_what_was_seen(
    world: World, alice: Browser
) -> None:
    run = run_of(world)
    looked(waiting(run))
    factories.move(run.proposal, "stopped", reason="wait_over")
    page = text_of(alice.get("execution", run.proposal_id))
    card = part(page, "waiting", 'id="progress"')
    assert "It stopped while it waited after step 1" in card
    assert "Not met then Not seen on the new credential: billing-batch, invoice-mail." in card
    assert "billing-api takes a new value by a reload, always connected moved" in card
    assert "If nobody answers" not in card and 'value="go_on"' not in page


def test_a_consumer_that_uses_both_did_not_move(world: World, alice: Browser) -> None:
    run = run_of(world)
    wait, now = waiting(run), rotation.sighting("consumers_moved").at
    mixed = ConsumerSeen("billing-api", Use.MOVED, now, now - timedelta(minutes=1))
    rotation.saw(
        wait,
        [rotation.sighting("consumers_moved", consumers=(mixed,))],
        [("consumers_moved", "not_moved", "billing-api")],
    )
    assert "uses both" in text_of(alice.get("execution", run.proposal_id))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("source_silent", "The record of uses was silent"),
        ("not_observable", "The worker could not read the target: connection refused"),
        ("no_consumers", "The inventory names no consumer"),
        ("look_too_old", "The last look is too old to count."),
        ("window_open", "The old credential counts as unused after 1 d"),
        ("something_new", "Not met: something_new"),
    ],
)
def test_what_is_not_met_is_said_in_words(
    world: World, alice: Browser, name: str, said: str
) -> None:
    run = run_of(world)
    rotation.saw(
        waiting(run),
        [rotation.sighting("old_quiet")],
        [("old_quiet", name, "connection refused")],
    )
    assert said in words(text_of(alice.get("execution", run.proposal_id)))


def test_a_wait_for_a_person_asks_who_may_answer(
    world: World, alice: Browser, browser_of: BrowserOf
) -> None:
    run = run_of(world)
    waiting(run, conditions=[], person=True)
    page = text_of(alice.get("execution", run.proposal_id))
    assert "Waiting for a person to let it go on" in page
    assert [v for v in ("go_on", "longer", "keep", "undo") if f'value="{v}"' in page] == [
        "go_on", "longer", "keep", "undo",
    ]  # fmt: skip
    assert "checked" not in page and "selected" not in page
    # The agent's owner may look, and does not answer.
    other = text_of(browser_of(world.people["dave"]).get("execution", run.proposal_id))
    assert "Waiting for a person" in other and 'value="go_on"' not in other
    assert "Leads, and approvers of this proposal who took no part in it, can." in other


def test_after_the_deadline_it_says_when_it_stops(world: World, alice: Browser) -> None:
    run = run_of(world)
    wait = waiting(run)
    looked(wait)
    rotation.late(wait)
    page = text_of(alice.get("execution", run.proposal_id))
    assert "People were notified." in words(page)
    assert "If nobody answers by" in words(page)
    assert 'class="outcome warn"' in page


def test_an_answer_signs_what_the_page_shows(world: World, alice: Browser) -> None:
    run = run_of(world)
    wait = waiting(run)
    looked(wait)
    page = text_of(alice.get("execution", run.proposal_id))
    shown = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    assert shown is not None and shown[1] == waits.shown(wait).digest
    assert "If you choose “Go on”, you sign that it goes on although:" in page
    assert "Not seen on the new credential: billing-batch, invoice-mail." in words(page)
    said = {"decision": "go_on", "step": 0, "seen": shown[1], "longer_s": 0}
    started = answer(alice, run.proposal, **said)
    assert started.status_code == 200, started.content
    statement = json.loads(bytes(m.HaltSession.objects.get().statement))
    assert statement["type"] == "hitlportal-halt/v3"
    assert (statement["decision"], statement["step"]) == ("go_on", 0)
    assert (statement["seen"], statement["unmet"]) == (shown[1], ["consumers_moved", "old_quiet"])
    looked(wait)
    stale = answer(alice, run.proposal, **{**said, "seen": "0" * 64})
    assert stale.status_code == 409


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"longer_s": 1800}, 200),
        ({"longer_s": 1}, 400),
        ({"longer_s": 0}, 400),
        ({"longer_s": "1800"}, 400),
        ({"longer_s": 1800, "step": True}, 400),
        ({"longer_s": 1800, "step": "0"}, 400),
        ({"longer_s": 1800, "step": 1}, 409),
        ({}, 400),
    ],
)
def test_wait_longer_takes_one_of_the_offered_times(
    world: World, alice: Browser, said: dict[str, Any], status: int
) -> None:
    run = run_of(world)
    wait = waiting(run)
    usual = {"decision": "longer", "step": 0, "seen": waits.shown(wait).digest}
    assert answer(alice, run.proposal, **{**usual, **said}).status_code == status


def test_a_waiting_run_can_be_halted(world: World, alice: Browser) -> None:
    run = run_of(world)
    waiting(run)
    for decision in ("keep", "undo"):
        assert answer(alice, run.proposal, decision=decision).status_code == 200


def test_it_asks_again_only_when_something_was_seen(world: World, alice: Browser) -> None:
    run = run_of(world)
    wait = waiting(run)
    page = text_of(alice.get("execution", run.proposal_id))
    seen = re.search(r"seen=([^&]+)&amp;halt=(\w+)", page)
    assert seen is not None
    query = {"seen": html.unescape(seen[1]), "halt": seen[2]}
    same = alice.get("execution_progress", run.proposal_id, **query)
    assert same.status_code == 204
    looked(wait)
    moved = alice.get("execution_progress", run.proposal_id, **query)
    assert moved.status_code == 200
    part_ = text_of(moved)
    # The form stays; only what is signed moves.
    assert 'id="answer-parts" hx-swap-oob="true"' in part_ and "answer-reason" not in part_
    assert 'id="waiting" hx-swap-oob="true"' in part_


def test_an_answer_is_shown_until_and_after_it_is_verified(world: World, alice: Browser) -> None:
    run = run_of(world)
    wait = waiting(run)
    proposal = run.proposal
    made = factories.halt(
        proposal, world.people["alice"], decision="longer", step=0,
        seen=waits.shown(wait).digest, longer_s=1800, reason=WHY,
    )  # fmt: skip
    page = words(text_of(alice.get("execution", proposal.pk)))
    assert "Answer signed by" in page and "Then the run waits longer." in page
    factories.halt_verdict(made)
    page = words(text_of(alice.get("execution", proposal.pk)))
    assert "Answered by" in page and "Halted" not in page


def test_hostile_words_of_a_target_are_inert(world: World, alice: Browser) -> None:
    run = run_of(world)
    rotation.saw(
        waiting(run),
        [rotation.sighting("consumers_moved", others=("<script>alert(1)</script>",))],
        [("consumers_moved", "not_observable", "<b>x</b>")],
    )
    page = text_of(alice.get("execution", run.proposal_id))
    assert "<script>alert" not in page and "<b>x</b>" not in page


def test_the_history_has_the_wait_what_was_seen_and_the_answer(
    world: World, alice: Browser
) -> None:
    run = run_of(world)
    wait = waiting(run)
    looked(wait)
    looked(wait)
    rotation.late(wait, "not met: old_quiet")
    factories.halt(
        run.proposal, world.people["alice"], decision="longer", step=0,
        seen=waits.shown(wait).digest, longer_s=1800, reason=WHY,
    )  # fmt: skip
    page = words(text_of(alice.get("proposal_history", run.proposal_id)))
    conditions = "consumers use the new credential, nobody uses the old credential"
    assert f"Waits after step 1 for: {conditions}" in page
    # A look that found the same is one line, however often it was repeated.
    assert page.count(f"Read the target, not met yet: {conditions}") == 1
    assert "The time to wait was over; people were notified" in page
    assert "Answer signed: wait longer; the worker has not verified it yet" in page
