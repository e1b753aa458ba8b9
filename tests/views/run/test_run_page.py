"""The page of a run: what it shows at each point, when it stops asking, who can halt."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import b64url
from remediation.services.execution import confirm
from remediation.services.execution.run import Run
from tests import factories
from tests.factories import WORKER
from tests.flows.world import World, acts
from tests.services.execution.test_reverse_run import succeeded
from tests.views.conftest import Browser, BrowserOf, sign_in, text_of

WHY_BACK = "The role belongs to the nightly report."
WHY = "It is the key of the build host."


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1", "t2"), "production")


@pytest.fixture
def alice(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["alice"])


Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """`meanwhile(look)`: while the worker verifies the first step, this happens."""

    def plan(look: Callable[[], object]) -> None:
        verify = confirm.first_look

        def verify_then(run: Run, index: int) -> bool:
            if index == 0:
                with acts("hitl_owner"):
                    look()
            with acts(WORKER):
                return verify(run, index)

        monkeypatch.setattr(confirm, "first_look", verify_then)

    return plan


def halts(
    world: World,
    browser: Browser,
    proposal_id: UUID,
    reason: str,
    name: str = "alice",
    **said: str,
) -> Any:
    """Start and sign, as the page's script does."""
    asked = {"decision": "undo", "found": "", "reason": reason, **said}
    started = browser.send("halt", proposal_id, body=asked)
    assert started.status_code == 200
    challenge = b64url.decode(started.json()["options"]["challenge"])
    place = (world.settings.RP_ID, world.settings.ORIGIN)
    assertion = world.people[name].passkey.authentication(challenge, *place)
    body = {"session": started.json()["session"], "assertion": assertion}
    return browser.send("halt_sign", proposal_id, body=body)


def polling(page: str) -> str:
    """The address that the page asks for again; empty when it asks for nothing."""
    found = re.search(r'id="progress"[^>]*hx-get="([^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def ask(browser: Browser, address: str) -> Any:
    with browser._as_login("hitl_web"):
        return browser.client.get(address)


def steps(page: str) -> list[str]:
    return re.findall(r'class="card runstep ([a-z_]+)"', page)


def test_before_anything_runs_it_says_that_nothing_ran(world: World, alice: Browser) -> None:
    page = text_of(alice.get("execution", world.in_review()))
    assert "Not started: it is in review" in page
    assert polling(page) == ""


def test_an_approved_one_waits_and_says_for_what(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    page = text_of(alice.get("execution", proposal_id))
    assert polling(page)
    factories.freeze()
    world.execute(proposal_id)
    page = text_of(alice.get("execution", proposal_id))
    assert "Waiting: execution is frozen" in page and "expires and nothing runs" in page


def test_while_it_runs_each_step_stands_where_it_is(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    pages: list[str] = []
    meanwhile(lambda: pages.append(text_of(alice.get("execution", proposal_id))))
    world.execute(proposal_id)
    (page,) = pages
    assert steps(page) == ["applied", "not_begun"]
    assert "Halt before the next step" in page
    assert "0 of 2 steps confirmed" in page
    run = m.Execution.objects.get()
    assert run.holder in page and "token 1, held" in page


def test_it_asks_again_until_the_run_is_final_and_answers_nothing_when_nothing_changed(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    seen: list[tuple[int, str]] = []

    def look() -> None:
        address = polling(text_of(alice.get("execution", proposal_id)))
        seen.append((ask(alice, address).status_code, address))

    meanwhile(look)
    world.execute(proposal_id)
    ((status, address),) = seen
    assert status == 204
    answer = ask(alice, address)
    assert answer.status_code == 286
    assert polling(text_of(answer)) == ""
    assert steps(text_of(answer)) == ["verified", "verified"]
    # The form goes with it, also from the page that is open.
    assert 'id="halt"' in text_of(answer) and "hx-swap-oob" in text_of(answer)
    assert "<textarea" not in text_of(answer)


def test_what_was_read_before_and_after_stands_beside_each_other(
    world: World, alice: Browser
) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    page = text_of(alice.get("execution", proposal_id))
    row = re.search(r'<tr class="changed">(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert re.findall(r'code">(\w+)<', row[1]) == ["on", "off"]
    assert "All 2 steps are done and confirmed." in page
    for record in m.StepRecord.objects.all():
        assert f"entry {record.entry}" in page


def test_a_stopped_run_says_what_was_kept_and_why(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(proposal_id)
    page = text_of(alice.get("execution", proposal_id))
    assert steps(page) == ["verified", "failed"]
    row = re.search(r'<tr class="changed">(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert re.findall(r'code">(\w+)<', row[1]) == ["on", "off"]
    assert "Stopped after step 1 of 2. Step 1 stays applied." in page
    assert "The step did not change the target" in page


def test_halting_from_the_page_is_on_record_before_the_answer_and_stops_the_run(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()

    pages: list[str] = []

    def press() -> None:
        answer = halts(world, alice, proposal_id, WHY)
        assert answer.status_code == 200
        assert answer.json() == {"next": f"/proposals/{proposal_id}/execution/"}
        halt = m.Halt.objects.get()
        assert Entry.objects.get(pk=halt.entry).data["data"]["statement"]["reason"] == WHY
        pages.append(text_of(alice.get("execution", proposal_id)))

    meanwhile(press)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "rolled_back"
    name = world.people["alice"].user.username
    assert f"Halt signed by {name}" in pages[0]
    assert "No step starts before the worker has verified the signature." in pages[0]
    page = text_of(alice.get("execution", proposal_id))
    assert f"Halted by {world.people['alice'].user.username}" in page
    assert WHY in page
    assert "A person halted the run between two steps." in page
    assert steps(page) == ["undone", "not_begun"]


def test_a_halt_says_what_is_taken_back_before_it_is_signed(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    pages: list[str] = []
    composed: list[dict[str, Any]] = []

    def look() -> None:
        pages.append(text_of(alice.get("execution", proposal_id)))
        for decision in ("keep", "undo"):
            body = {"decision": decision, "reason": WHY}
            assert alice.send("halt", proposal_id, body=body).status_code == 200
            session = m.HaltSession.objects.latest("recorded_at")
            composed.append(json.loads(bytes(session.statement)))
        for decision in ("halt", "settle", "resume", ""):
            body = {"decision": decision, "reason": WHY}
            assert alice.send("halt", proposal_id, body=body).status_code in (400, 409)

    meanwhile(look)
    world.execute(proposal_id)
    box = pages[0][pages[0].index('id="halt"') :]
    assert box.index("Stop and keep") < box.index("Stop and undo") and "checked" not in box
    assert "It gives access back to" in box and "test.target:t1" in box
    keep, undo = box.split("Stop and undo</strong>")
    # Named before it is signed: what stays, what never starts, what is undone in which order.
    assert (
        keep.index("Stays:") < keep.index("t1.") < keep.index("Never starts:") < keep.index("t2.")
    )
    assert undo.count("<li") == 2 and undo.index("t2") < undo.index("t1")
    keep, undo = composed
    assert keep["decision"] == "keep" and keep["proposal"] == str(proposal_id)
    assert keep["plan"] == world.get(proposal_id).plan_digest and keep["takes_back"] == []
    assert undo["decision"] == "undo" and undo["takes_back"] == [
        {"step": 1, "target": "test.target:t2", "by": "test.noop"},
        {"step": 0, "target": "test.target:t1", "by": "test.noop"},
    ]
    # Begun and not signed: nothing is held up.
    assert world.state_of(proposal_id) == "succeeded"


def test_a_halt_that_the_worker_refused_is_shown_as_that(
    world: World, browser_of: BrowserOf, meanwhile: Meanwhile
) -> None:
    """mallory's key is not in the approvers file. The form stays for those whose is."""
    proposal_id = world.approved()
    alice, mallory = browser_of(world.people["alice"]), browser_of(world.people["mallory"])
    pages: list[str] = []

    def press() -> None:
        assert halts(world, mallory, proposal_id, WHY, "mallory").status_code == 200
        pages.append(text_of(alice.get("execution", proposal_id)))

    meanwhile(press)
    world.execute(proposal_id)
    assert "Halt before the next step" in pages[0]
    assert world.state_of(proposal_id) == "succeeded"
    name = world.people["mallory"].user.username
    page = text_of(alice.get("execution", proposal_id))
    assert f"Refused: halt in the name of {name}" in page and "Halted by" not in page
    assert "Halt refused by the worker" in text_of(alice.get("proposal_history", proposal_id))


def test_what_is_no_session_or_no_assertion_is_refused_by_name(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()

    def press() -> None:
        bodies: tuple[dict[str, Any], ...] = (
            {"session": "x", "assertion": {}},
            {"session": str(proposal_id), "assertion": {}},
            {"session": str(proposal_id)},
            {"assertion": {}},
        )
        for body in bodies:
            answer = alice.send("halt_sign", proposal_id, body=body)
            assert answer.status_code in (400, 404) and answer.json()["name"]

    meanwhile(press)
    world.execute(proposal_id)
    assert not m.Halt.objects.exists()


def test_a_refused_halt_is_on_record(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    answer = alice.send("halt", proposal_id, body={"decision": "keep", "reason": WHY})
    assert answer.status_code == 409 and answer.json()["reload"]
    assert answer.json()["name"] == "wrong_state"
    said = Entry.objects.latest("id").data
    assert (said["action"], said["data"]["refusal"]) == ("person:request:refused", "wrong_state")
    assert world.refusals(proposal_id) == ["wrong_state"]


def test_a_halt_after_the_end_says_that_it_is_too_late(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    answer = alice.send("halt", proposal_id, body={"decision": "keep", "reason": WHY})
    assert answer.status_code == 409 and answer.json()["reload"]
    assert answer.json()["title"] == "Too late: the run has already finished."
    assert world.refusals(proposal_id) == ["run_ended"]


def test_a17_no_get_halts_and_no_other_site_can_post(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()

    def others_try() -> None:
        strict = Client(enforce_csrf_checks=True)
        sign_in(strict, world.people["alice"].user)
        with acts("hitl_web"):
            for name in ("halt", "halt_sign"):
                assert alice.get(name, proposal_id).status_code == 405
                address = reverse(name, args=[proposal_id])
                answer = strict.post(address, {"reason": WHY}, content_type="application/json")
                assert answer.status_code == 403

    meanwhile(others_try)
    world.execute(proposal_id)
    assert not m.Halt.objects.exists()
    assert world.state_of(proposal_id) == "succeeded"


@pytest.mark.parametrize("name", ["dave", "eve"])
def test_a11_who_took_part_sees_the_run_and_no_form(
    world: World, browser_of: BrowserOf, meanwhile: Meanwhile, name: str
) -> None:
    proposal_id = world.approved()
    pages: list[str] = []
    browser = browser_of(world.people[name])
    meanwhile(lambda: pages.append(text_of(browser.get("execution", proposal_id))))
    world.execute(proposal_id)
    assert "<textarea" not in pages[0]
    assert "can halt the run between two steps" in pages[0]


def test_a14_a_stranger_sees_no_run(world: World, browser_of: BrowserOf) -> None:
    proposal_id: UUID = world.approved()
    stranger = browser_of(factories.person(roles=["security"]))
    assert stranger.get("execution", proposal_id).status_code == 404
    # The page that was open stops asking: each refusal is on record, but not one every two seconds.
    answer = stranger.get("execution_progress", proposal_id)
    assert answer.status_code == 286 and "may not see this" in text_of(answer)
    assert "t1" not in text_of(answer)
    nobody = browser_of(None)
    assert nobody.get("execution", proposal_id).status_code == 302
    assert nobody.get("execution_progress", proposal_id).status_code == 286


def test_a44_looking_changes_nothing(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    before = (Entry.objects.count(), world.calls(), world.state_of(proposal_id))
    for _ in range(3):
        alice.get("execution", proposal_id)
        alice.get("execution_progress", proposal_id)
    assert (Entry.objects.count(), world.calls(), world.state_of(proposal_id)) == before


def test_the_page_says_what_it_would_do_and_leads_to_the_new_proposal(
    world: World, browser_of: BrowserOf
) -> None:
    old = succeeded(world, {"a": True})
    alice = browser_of(world.people["alice"])
    page = text_of(alice.get("execution", old.pk))
    assert "Give role a on PostgreSQL cluster crm the right to log in." in page
    assert "Propose a reversal" in page
    assert "Propose a reversal" not in text_of(
        browser_of(world.people["dave"]).get("execution", old.pk)
    )
    answer = alice.post("propose_reversal", old.pk, reason=WHY_BACK)
    made = m.Proposal.objects.latest("recorded_at")
    assert answer["Location"] == f"/proposals/{made.pk}/"
    page = text_of(browser_of(world.people["bob"]).get("review", made.pk))
    assert f"Why this plan, written by {world.people['alice'].user.username}" in page
    # Whoever proposed what is undone, a person proposed this: its agent's suspension is no matter.
    factories.agent_version(made.agent, world.people["dave"], enabled=False)
    page = text_of(browser_of(world.people["bob"]).get("review", made.pk))
    assert "This reverses an earlier run" in page and f"/proposals/{old.pk}/execution/" in page
    assert "is suspended" not in page
    refused = browser_of(world.people["eve"]).post("propose_reversal", old.pk, reason=WHY_BACK)
    assert refused.status_code == 403 and WHY_BACK in text_of(refused)
    assert world.refusals(old.pk) == ["separation"]


def test_a01_a_reason_is_shown_whole_and_does_nothing(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    """The words of a person whose account was taken over are no better than an agent's."""
    hostile = "<img src=x onerror=alert(1)> </blockquote>{{ 7 }} javascript:alert(2)"
    proposal_id = world.approved()
    meanwhile(lambda: halts(world, alice, proposal_id, hostile))
    world.execute(proposal_id)
    for name in ("execution", "proposal_history"):
        page = text_of(alice.get(name, proposal_id))
        assert "<img" not in page
        assert html.escape(hostile) in page


def test_the_page_shows_what_was_there_before_a_step_ended_it(world: World, alice: Browser) -> None:
    """The text of the target stays text; a list that did not fit says so."""
    sessions = [{"client": "10.1.2.3", "application": "<b>psql</b> \u202e"}] + [
        {"client": f"10.9.{n // 250}.{n % 250}", "application": "x" * 100} for n in range(400)
    ]
    world.inject(
        {"t1": {"traces": json.dumps({"sessions": sessions})}, "t2": {"fail_traces": True}}
    )
    proposal_id = world.approved()
    world.execute(proposal_id)
    page = text_of(alice.get("execution", proposal_id))
    shown = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
    assert "What was there before this step ended it 401" in shown
    assert "10.1.2.3" in shown and "<b>psql" not in page
    assert "They did not fit into the record." in shown
    assert "What this step ended was not recorded before" in shown
