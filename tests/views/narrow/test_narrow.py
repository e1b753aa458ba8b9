"""Leaving something out over HTTP: the form changes nothing, the signature makes the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain import b64url
from tests import factories
from tests.domain.narrowable import narrowing_test_action
from tests.domain.test_narrowing import a_plan, a_step
from tests.flows.world import YES, World
from tests.views.conftest import Browser, BrowserOf, text_of

WHY = "The third target is not part of it."


@pytest.fixture
def three(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, targets=("t1", "t2", "t3"))


def body(world: World, proposal_id: UUID, kept: list[Any], **changes: Any) -> dict[str, Any]:
    looked = world.conditions(proposal_id)
    return {
        "kept": kept,
        "verdicts": YES,
        "reason": WHY,
        "slot": "service_owner",
        "round": world.get(proposal_id).round,
        "opened": list(looked.artefacts),
        "typed": [],
        **changes,
    }


def stay(*steps: int, **smaller: Any) -> list[Any]:
    return [{"step": step, "smaller": smaller} for step in steps]


def signed(world: World, bob: Browser, proposal_id: UUID, kept: list[Any]) -> Any:
    started = bob.send("narrow_start", proposal_id, body=body(world, proposal_id, kept)).json()
    challenge = b64url.decode(started["options"]["challenge"])
    answer = world.people["bob"].passkey.authentication(
        challenge, world.settings.RP_ID, world.settings.ORIGIN
    )
    sent = {"session": started["session"], "assertion": answer}
    return bob.send("narrow_sign", proposal_id, body=sent)


def test_bob_leaves_a_step_out_and_alice_decides_on_the_rest(
    three: World, browser_of: BrowserOf
) -> None:
    old = three.in_review()
    bob, alice = browser_of(three.people["bob"]), browser_of(three.people["alice"])
    assert "Leave something out" in text_of(bob.get("review", old))
    page = text_of(bob.get("narrow", old))
    assert page.count("data-leave") == 3 and "checked" not in page
    answer = signed(three, bob, old, stay(0, 1)).json()
    new = UUID(answer["next"].split("/")[2])
    three.assess(new)
    assert "counts as your approval" in text_of(bob.get("review", new))
    assert "verdict-action" in text_of(alice.get("review", new))
    assert [t.locator for t in three.get(new).targets.all()] == [
        "test.target:t1", "test.target:t2",
    ]  # fmt: skip


def test_a17_the_form_changes_nothing(three: World, browser_of: BrowserOf) -> None:
    old = three.in_review()
    browser_of(three.people["bob"]).get("narrow", old)
    assert three.state_of(old) == "in_review"
    assert m.ReviewSession.objects.count() == 0


def test_a_shorter_list_and_a_smaller_number(
    three: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"sessions": ["one", "two"], "most": 5, "also_members": True, "spare_owner": False}
    with narrowing_test_action():
        steps: list[Json] = [a_step(name, full) for name in three.targets]
        monkeypatch.setattr(three, "plan", lambda: a_plan(*steps))
        old = three.in_review()
        bob = browser_of(three.people["bob"])
        page = text_of(bob.get("narrow", old))
        for words in ('data-list="sessions"', 'data-number="most"', 'data-truth="spare_owner"'):
            assert page.count(words) == 3
        kept = stay(0, 1, 2, sessions=["two"], most=2, also_members=False)
        answer = signed(three, bob, old, kept)
        new = three.get(UUID(answer.json()["next"].split("/")[2]))
        left = factories.load(new).steps
    assert dict(left[0].parameters) == {**full, "sessions": ["two"], "most": 2,
                                         "also_members": False}  # fmt: skip


@pytest.mark.parametrize(
    "kept",
    [
        [],
        stay(0, 1, 2),
        stay(1, 0),
        stay(7),
        stay(0, note="another"),
        [{"step": True, "smaller": {}}],
        [{"step": 0}],
        [7],
        "all",
    ],
)
def test_what_is_not_narrower_is_refused(three: World, browser_of: BrowserOf, kept: Any) -> None:
    old = three.in_review()
    bob = browser_of(three.people["bob"])
    answer = bob.send("narrow_start", old, body=body(three, old, kept))
    assert 400 <= answer.status_code < 500
    assert three.state_of(old) == "in_review"


def test_who_may_not_decide_is_not_offered_it(three: World, browser_of: BrowserOf) -> None:
    old = three.in_review()
    dave = browser_of(three.people["dave"])
    assert "narrow/" not in text_of(dave.get("review", old))
    assert dave.get("narrow", old).status_code == 403
    assert browser_of(None).get("narrow", old).status_code == 302


def test_it_says_whose_decision_would_not_count(three: World, browser_of: BrowserOf) -> None:
    old = three.in_review()
    three.decide("alice", old)
    page = text_of(browser_of(three.people["bob"]).get("narrow", old))
    assert "1 other person decided on the present plan" in page
