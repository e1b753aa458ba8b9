"""None of the offered plans fits: one signature for all takes the right on each of them (A12)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain import errors
from remediation.domain.report import Alternative
from remediation.services.review import none_of_them
from tests import factories
from tests.flows.world import World
from tests.services.reporting.test_end_alternatives import (
    NONE,
    end,
    offer,
    submitted,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, targets=("t1", "t2"))


def of_two_teams(world: World) -> tuple[UUID, UUID]:
    """Return two alternatives of a choice; people of the world have no right on the second."""
    factories.dependency(
        factories.service(environment=world.environment),
        factories.identity("test.target:t9", environment=world.environment),
    )
    plans = (factories.plan(name, environment=world.environment) for name in ("t1", "t9"))
    report = replace(offer(world), alternatives=tuple(Alternative(p, "So.") for p in plans))
    first, second = submitted(world, report)
    world.assess(first)
    world.assess(second)
    return first, second


def test_a12_none_of_them_takes_the_right_on_each_of_them(world: World) -> None:
    """A12: bob may not even see the other team's plan, and would end it."""
    first, _ = of_two_teams(world)
    with pytest.raises(errors.NotEntitled):
        world.decide("bob", first, "return", reason=NONE)
    world.decide("bob", first, "return")  # control: his own one he may return


def test_a12_the_worker_lets_it_end_the_other_ones_only_by_right(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A12, A43: a web process that was taken over lets bob sign it all the same."""
    first, second = of_two_teams(world)
    with monkeypatch.context() as patch:
        patch.setattr(none_of_them, "refuse_without_rights", lambda person, proposal: None)
        world.decide("bob", first, "return", reason=NONE)
    world.settle(first)
    assert (end(world), world.state_of(first), world.state_of(second)) == (
        0, "returned", "in_review",
    )  # fmt: skip


def test_control_with_the_right_on_both_it_ends_both(world: World) -> None:
    first, second = of_two_teams(world)
    theirs = m.Service.objects.latest("pk")
    factories.grant(world.people["bob"].user, "review_service", theirs)
    world.decide("bob", first, "return", reason=NONE)
    world.settle(first)
    assert (end(world), world.state_of(second)) == (1, "superseded")
