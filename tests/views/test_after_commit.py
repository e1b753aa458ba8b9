"""After a commit nothing turns success into an error."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.cache import SessionStore
from django.urls import reverse
from pytest_django import Settings

from audit import inclusion
from audit.models import Entry
from remediation import models as m
from remediation.services.outbox import dispatch
from remediation.services.people import passkeys
from remediation.views.account import invite
from remediation.views.queue import decided, presenter
from tests.flows.world import World
from tests.views.conftest import BrowserOf
from tests.views.review.test_deciding import asked, decide

ROOT = Path(__file__).resolve().parents[2]


def fail(*_: Any, **__: Any) -> None:
    raise RuntimeError("it is broken")


@pytest.mark.django_db(transaction=True)
def test_a_signature_succeeds_though_the_search_for_the_next_fails(
    world: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    monkeypatch.setattr(presenter, "next_for", fail)
    answer = decide(browser_of(alice), world, alice, proposal_id)
    assert answer.status_code == 200
    onward = f"{reverse('queue_next')}?decided={proposal_id}"
    assert json.loads(answer.content) == {"next": onward, "resolution": None}
    assert m.Review.objects.filter(proposal=proposal_id, person=alice.user.person).exists()


@pytest.mark.django_db(transaction=True)
def test_the_way_on_after_a_signature_fails_softly(
    world: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the line about the decision nor the next proposal is worth an error page."""
    proposal_id, alice = world.in_review(), world.people["alice"]
    browser = browser_of(alice)
    decide(browser, world, alice, proposal_id)
    monkeypatch.setattr(presenter, "next_for", fail)
    monkeypatch.setattr(decided, "_describe", fail)
    answer = browser.get("queue_next", decided=str(proposal_id))
    assert (answer.status_code, answer["Location"]) == (302, reverse("queue"))


@pytest.mark.django_db(transaction=True)
def test_what_was_committed_is_answered_though_the_sessions_cannot_be_saved(
    world: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message after a commit lies in a signed cookie: the cache of the sessions may be down."""
    proposal_id, alice = world.in_review(), world.people["alice"]
    browser = browser_of(alice)
    monkeypatch.setattr(SessionStore, "save", fail)
    assert decide(browser, world, alice, proposal_id).status_code == 200
    assert browser.act("observe", proposal_id).status_code == 302
    assert m.ObservationRequest.objects.filter(proposal=proposal_id).exists()
    assert browser.get("queue_next", decided=str(proposal_id)).status_code == 302
    assert "You approved" in browser.get("queue").content.decode()


@pytest.mark.django_db(transaction=True)
def test_control_a_message_in_the_session_turns_success_into_an_error(
    world: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
    proposal_id = world.in_review()
    browser = browser_of(world.people["alice"])
    monkeypatch.setattr(SessionStore, "save", fail)
    with pytest.raises(RuntimeError):
        browser.act("observe", proposal_id)
    assert m.ObservationRequest.objects.filter(proposal=proposal_id).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broken", [(dispatch, "wake"), (inclusion, "ask")], ids=["wake", "ask"])
def test_an_approval_succeeds_though_nobody_can_be_woken(
    world: World,
    browser_of: BrowserOf,
    monkeypatch: pytest.MonkeyPatch,
    broken: tuple[Any, str],
) -> None:
    proposal_id = world.in_review()
    alice, bob = world.people["alice"], world.people["bob"]
    monkeypatch.setattr(*broken, fail)
    decide(browser_of(alice), world, alice, proposal_id)
    answer = decide(browser_of(bob), world, bob, proposal_id, slot="service_owner")
    assert json.loads(answer.content)["resolution"] == "approved"
    assert m.OutboxMessage.objects.filter(proposal=proposal_id, kind="execute").exists()


@pytest.mark.django_db(transaction=True)
def test_asking_to_look_again_succeeds_though_nobody_can_be_woken(
    world: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.in_review()
    monkeypatch.setattr(dispatch, "wake", fail)
    answer = browser_of(world.people["alice"]).act("observe", proposal_id)
    assert answer.status_code == 302
    assert m.ObservationRequest.objects.filter(proposal=proposal_id).exists()


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_answered_is_not_started(
    world: World, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options for the passkey are read before the commit of the session."""
    proposal_id, alice = world.in_review(), world.people["alice"]
    monkeypatch.setattr(passkeys, "options", fail)
    browser = browser_of(alice)
    before = Entry.objects.count()
    with pytest.raises(RuntimeError):
        browser.send("review_start", proposal_id, body=asked())
    assert not m.ReviewSession.objects.exists()
    assert Entry.objects.count() == before


def test_signing_out_who_was_there_comes_before_the_code_is_used() -> None:
    """The session store may fail; the code then is still good."""
    tree = ast.parse(Path(invite.__file__).read_text(encoding="utf-8"))
    finish = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "finish")
    lines = {ast.unparse(call.func): call.lineno for call in ast.walk(finish)
             if isinstance(call, ast.Call)}  # fmt: skip
    assert lines["logout"] < lines["enroll.redeem"]


def callbacks() -> Iterator[tuple[str, ast.Call]]:
    """Every `transaction.on_commit` of the product."""
    for package in ("audit", "hitlportal", "remediation"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("on_commit"):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_what_runs_after_a_commit_cannot_raise() -> None:
    """With ``robust`` Django logs what a callback raises, and the caller gets its success."""
    found = list(callbacks())
    assert len(found) >= 8
    fragile = [
        where
        for where, call in found
        if not any(k.arg == "robust" and ast.unparse(k.value) == "True" for k in call.keywords)
    ]
    assert fragile == []
