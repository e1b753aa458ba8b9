"""Runs that wait for a person stand in the queue of those who may answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django import Settings

from tests.flows import rotation
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1",), "production")


def test_a_run_that_waits_for_a_person_is_asked_of_those_who_may_answer(
    world: World, browser_of: BrowserOf
) -> None:
    run = rotation.begun(world, rotation.move_first(**rotation.wait(person=True)))
    rotation.waits(run, person=True)
    page = text_of(browser_of(world.people["alice"]).get("queue"))
    group = page[page.index('id="group-asks"') :]
    assert "Runs that wait for you" in group
    assert reverse("execution", args=[run.proposal_id]) in group
    # Nothing else waits, but this does.
    assert "Nothing waits for you" not in page and 'data-mine="1"' in page
    # The agent's owner sees it among those that wait for others.
    page = text_of(browser_of(world.people["dave"]).get("queue"))
    assert "Runs that wait for you" not in page
    assert str(run.proposal_id) in page[page.index('id="group-others"') :]


def test_a_run_that_waits_for_a_condition_asks_nobody_before_its_deadline(
    world: World, browser_of: BrowserOf
) -> None:
    run = rotation.begun(world, rotation.move_first())
    wait = rotation.waits(run, conditions=["consumers_moved", "old_quiet"], person=False)
    alice = browser_of(world.people["alice"])
    page = text_of(alice.get("queue"))
    assert "Runs that wait for you" not in page
    assert str(run.proposal_id) in page[page.index('id="group-running"') :]
    rotation.late(wait)
    assert "Runs that wait for you" in text_of(alice.get("queue"))
