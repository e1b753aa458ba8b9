"""People's ways out of a stopped and an unknown run, on the run's page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain import plan
from remediation.services.execution import judge_halt, settle_by_hand
from remediation.services.load_plan import load_plan
from tests import factories
from tests.factories import WORKER
from tests.flows import rotation
from tests.flows.world import WORKER_ACTOR as WORKER_
from tests.flows.world import World, acts
from tests.services.execution.test_reverse_run import DONE, ended, record, steps, stopped
from tests.views.conftest import Browser, BrowserOf, text_of
from tests.views.run.test_run_page import halts

WHY = "The role was locked by hand on the server."
ROLES = {"seen": True, "unseen": True, "never": True}


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def alice(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["alice"])


@pytest.fixture
def half(world: World) -> m.Proposal:
    """A stopped run: one step confirmed, one applied and not confirmed, one not begun."""
    return stopped(world, ROLES, {"seen": DONE, "unseen": ["applied"]})


@pytest.fixture
def unknown(world: World) -> m.Proposal:
    made = plan.parse(
        {"version": 1, "environment": "staging", "steps": steps("a")}, protected=frozenset()
    )
    return ended(world, made, {"a": True}, {"a": ["unknown"]}, "unknown")


def shown(browser: Browser, proposal: m.Proposal) -> str:
    """The part of the page with the glance and the ways."""
    page = text_of(browser.get("execution", proposal.pk))
    return page[page.index('id="ways"') : page.index('class="rungrid"')]


def judged(proposal: m.Proposal) -> None:
    """The worker verifies what waits."""
    with acts(WORKER):
        settle_by_hand.settle(proposal.pk, actor=WORKER_)


def undo_judged(proposal: m.Proposal) -> judge_halt.Judged | None:
    run = judge_halt.Unheld(WORKER_, proposal, load_plan(bytes(proposal.plan)))
    with acts(WORKER):
        return judge_halt.judge(run)


def test_a_stopped_run_says_at_one_glance_what_is_done_and_what_is_not(
    world: World, alice: Browser, half: m.Proposal
) -> None:
    page = shown(alice, half)
    glance = page[: page.index('id="ways-title"')]
    parts = re.split(r"<dt>", glance)[1:]
    said = [re.sub(r"<[^>]+>", " ", part) for part in parts]
    assert ["Done" in said[0], "seen" in said[0]] == [True, True]
    assert "not confirmed" in said[1] and "unseen" in said[1]
    assert "Not done" in said[2] and "never" in said[2]
    assert "What is done, and what is not" in glance
    whole = text_of(alice.get("execution", half.pk))
    assert "Stopped after step 2 of 3. Step 1 stays applied." in whole
    assert "Step 2 was applied, but not confirmed." in whole
    assert "only people give access back" in whole


def test_a64_what_is_still_open_stands_first_by_server_and_session(
    world: World, alice: Browser
) -> None:
    made = plan.parse(
        {"version": 1, "environment": "staging", "steps": steps("a")}, protected=frozenset()
    )
    proposal = ended(world, made, {"a": True}, {"a": []}, "unknown")
    run = m.Execution.objects.get(proposal=proposal)
    record(
        run,
        0,
        "applied",
        {"incomplete": "a session did not end", "open": ["db1: session 4711 <b>"]},
    )
    factories.move(proposal, "stopped")
    page = shown(alice, proposal)
    assert page.index("Still open") < page.index("Applied, not confirmed")
    assert "db1: session 4711 &lt;b&gt;" in page


def test_a_stopped_run_offers_three_ways_and_none_is_chosen(
    world: World, alice: Browser, half: m.Proposal
) -> None:
    page = shown(alice, half)
    titles = ["Propose the rest", "Undo it", "Settle it by hand"]
    assert re.findall(r"<h3[^>]*>.*?</svg> ([^<]+)</h3>", page) == titles
    assert "checked" not in page and page.count("<details") == 4 and "<details open" not in page
    assert "It gives access back to" in page and "postgres.role:crm/unseen" in page


def test_a65_an_hour_after_it_stopped_one_person_undoes_nothing(
    world: World, alice: Browser, half: m.Proposal
) -> None:
    factories.backdate(half.transitions.get(to_state="stopped"), minutes=61)
    page = shown(alice, half)
    assert "Undo now" not in page and "Propose a reversal" in page
    body = {"decision": "undo", "reason": WHY}
    answer = alice.send("halt", half.pk, body=body)
    assert answer.status_code == 409 and not m.HaltSession.objects.exists()


@pytest.mark.parametrize("name", ["dave", "eve"])
def test_a11_who_took_part_sees_the_glance_and_no_way(
    world: World, browser_of: BrowserOf, half: m.Proposal, name: str
) -> None:
    page = shown(browser_of(world.people[name]), half)
    assert "Not done" in page and "<form" not in page
    assert "decide how it goes on" in page


def test_the_rest_is_proposed_from_the_page(
    world: World, alice: Browser, browser_of: BrowserOf, half: m.Proposal
) -> None:
    answer = alice.post("propose_rest", half.pk, reason=WHY)
    made = m.Proposal.objects.latest("recorded_at")
    assert answer["Location"] == f"/proposals/{made.pk}/"
    assert (made.supersedes_id, made.state) == (half.pk, "submitted")
    refused = browser_of(world.people["eve"]).post("propose_rest", half.pk, reason=WHY)
    assert refused.status_code == 403
    assert world.refusals(half.pk) == ["separation"]


def test_settled_by_hand_is_marked_with_who_and_why(
    world: World, alice: Browser, half: m.Proposal
) -> None:
    name = world.people["alice"].user.username
    assert halts(world, alice, half.pk, WHY, decision="settle").status_code == 200
    page = text_of(alice.get("execution", half.pk))
    assert f"Settlement signed by {name}" in page and "Settled by hand." not in page
    judged(half)
    page = text_of(alice.get("execution", half.pk))
    assert f"Settled by hand by {name}" in page and WHY in page
    assert "Settled by hand." in page
    assert "Sign: settled by hand" not in page
    assert world.state_of(half.pk) == "stopped"
    assert "Settled by hand" in text_of(alice.get("proposal_history", half.pk))


def test_a_stopped_run_stands_in_the_queue_until_it_is_settled(
    world: World, alice: Browser, half: m.Proposal
) -> None:
    def section() -> str:
        page = text_of(alice.get("queue"))
        found = re.search(r'id="group-stopped".*?</section>', page, re.DOTALL)
        return found[0] if found else ""

    assert str(half.pk) in section()
    halts(world, alice, half.pk, WHY, decision="settle")
    judged(half)
    assert str(half.pk) not in section()


def test_an_undo_is_signed_from_the_page_and_verified(
    world: World, alice: Browser, half: m.Proposal
) -> None:
    assert halts(world, alice, half.pk, WHY, decision="undo").status_code == 200
    statement = json.loads(bytes(m.Halt.objects.get().statement))
    assert [step["step"] for step in statement["takes_back"]] == [2, 1, 0]
    found = undo_judged(half)
    assert found is not None and (found.decision, found.undo) == ("undo", True)


def signs(world: World, browser_of: BrowserOf, proposal: m.Proposal, **said: str) -> None:
    for name, found in said.items():
        browser = browser_of(world.people[name])
        answer = halts(world, browser, proposal.pk, WHY, name, decision="settle", found=found)
        assert answer.status_code == 200
        judged(proposal)


def reason_of(proposal_id: UUID) -> str:
    return str(m.Transition.objects.filter(proposal=proposal_id).latest("id").reason)


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        ("applied", "stopped", "people_said_applied"),
        ("not_applied", "failed", "people_said_not_applied"),
    ],
)
def test_two_people_settle_an_unknown_run(
    world: World,
    browser_of: BrowserOf,
    unknown: m.Proposal,
    found: str,
    state: str,
    reason: str,
) -> None:
    alice, name = browser_of(world.people["alice"]), world.people["alice"].user.username
    page = shown(alice, unknown)
    assert "What did you see at the target?" in page and "checked" not in page
    signs(world, browser_of, unknown, alice=found)
    assert world.state_of(unknown.pk) == "unknown"
    assert f"{name} says" in shown(browser_of(world.people["bob"]), unknown)
    signs(world, browser_of, unknown, bob=found)
    assert (world.state_of(unknown.pk), reason_of(unknown.pk)) == (state, reason)
    # What people said is no observation: no step is recorded, no incident contained.
    assert {phase for _, phase in world.phases(unknown.pk)} == {"intended", "unknown"}
    assert not m.IncidentTransition.objects.exists()
    assert "Two people said that the step" in text_of(alice.get("execution", unknown.pk))


def test_two_people_who_differ_and_one_person_twice_settle_nothing(
    world: World, browser_of: BrowserOf, unknown: m.Proposal
) -> None:
    signs(world, browser_of, unknown, alice="applied")
    signs(world, browser_of, unknown, alice="applied")
    assert world.state_of(unknown.pk) == "unknown"
    signs(world, browser_of, unknown, bob="not_applied")
    assert world.state_of(unknown.pk) == "unknown"
    # bob looks again.
    signs(world, browser_of, unknown, bob="applied")
    assert world.state_of(unknown.pk) == "stopped"


def forge(proposal: m.Proposal, someone: factories.Person, **said: Any) -> None:
    """With hitl_web's password: a row whose signature nobody's passkey made."""
    factories.halt(proposal, someone, columns={"signature": b"\0" * 70}, **said)


def test_a65_a_forged_statement_settles_and_undoes_nothing_and_leads_are_told(
    world: World,
    browser_of: BrowserOf,
    unknown: m.Proposal,
    mailoutbox: list[Any],
) -> None:
    """One real person, and bob's statement forged with the database password of `hitl_web`."""
    lead = factories.person("lena", roles=["lead"])
    assert lead.user.email
    signs(world, browser_of, unknown, alice="applied")
    forge(unknown, world.people["bob"], decision="settle")
    forge(unknown, world.people["mallory"], decision="settle")
    judged(unknown)
    world.deliver()
    assert world.state_of(unknown.pk) == "unknown"
    assert world.refusals(unknown.pk) == ["signature", "unknown_approver_key"]
    assert [one.subject for one in mailoutbox if "refused" in one.subject], [
        o.subject for o in mailoutbox
    ]
    page = text_of(browser_of(world.people["alice"]).get("execution", unknown.pk))
    assert "Refused: settlement in the name of" in page


def test_a65_a_forged_undo_of_a_stopped_run_is_refused_on_record(
    world: World, half: m.Proposal
) -> None:
    forge(half, world.people["alice"], decision="undo")
    assert undo_judged(half) is None
    assert world.refusals(half.pk) == ["signature"]
    assert world.state_of(half.pk) == "stopped" and world.calls() == []


def test_control_without_the_verification_a_forged_settlement_settles(
    world: World,
    browser_of: BrowserOf,
    unknown: m.Proposal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signs(world, browser_of, unknown, alice="applied")
    forge(unknown, world.people["bob"], decision="settle")
    monkeypatch.setattr(judge_halt, "_refusal", lambda *_: None)
    judged(unknown)
    assert world.state_of(unknown.pk) == "stopped"


def test_a_rest_that_would_end_the_old_one_without_its_wait_is_not_offered(
    world: World, alice: Browser
) -> None:
    run = rotation.begun(world, rotation.move_first())
    rotation.waits(run, conditions=("consumers_moved",), person=False)
    factories.move(run.proposal, "stopped")
    page = shown(alice, run.proposal)
    assert "The rest is not offered" in page and "propose-rest" not in page
    assert "Send the proposal" not in page[: page.index("Undo it")]
