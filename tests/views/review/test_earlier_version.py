"""A05: a plan for an earlier version of an action is shown as it was signed, and never runs."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from remediation.domain import catalogue
from remediation.domain.catalogue import ACTIONS
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of
from tests.views.review.test_deciding import asked


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give test.noop a second version, as an upgrade of the portal does."""
    present = ACTIONS["test.noop"]
    newer = replace(present, version=present.version + 1, earlier=(present,))
    monkeypatch.setitem(catalogue._actions, "test.noop", newer)


def test_a05_it_is_shown_whole_and_nobody_can_decide_on_it(
    world: World, proposal_id: UUID, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = browser_of(world.people["bob"])
    sentence = world.plan().steps[0].sentence
    upgrade(monkeypatch)
    page = text_of(bob.get("review", proposal_id))
    assert sentence in page
    assert "is for an earlier version of an action, which never runs again" in page
    assert bob.send("review_start", proposal_id, body=asked()).status_code >= 400


def test_a05_approved_before_an_upgrade_it_is_refused_and_reaches_no_target(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved = world.approved()
    upgrade(monkeypatch)
    world.execute(approved)
    assert world.state_of(approved) == "refused"
    assert (world.calls(), world.state()) == ([], "on")
