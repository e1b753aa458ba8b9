"""Choices: alternatives of one report, at most one is approved; the worker ends the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.report import Alternative, Report
from remediation.services.reporting import correct, make_plan, submit, supersede
from remediation.services.reporting.end_alternatives import end_alternatives
from tests import factories, stepup
from tests.factories import WEB, WORKER
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db
NONE = {"code": "none_of_them", "text": "Both would stop the salaries."}


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, targets=("t1", "t2"))


def offer(world: World) -> Report:
    """Return a report with two alternatives: one target, or both."""
    plans = (
        factories.plan("t1", environment=world.environment),
        factories.plan("t1", "t2", environment=world.environment),
    )
    return replace(
        world.report(),
        plan=None,
        rationale="",
        alternatives=tuple(Alternative(plan, f"Because of {plan.digest[:4]}") for plan in plans),
    )


def submitted(world: World, report: Report | None = None) -> tuple[UUID, ...]:
    with acts(WEB), transaction.atomic():
        return submit.report(report or offer(world), actor=world.agent).alternatives


def reviewed(world: World) -> tuple[UUID, ...]:
    made = submitted(world)
    for each in made:
        world.assess(each)
    return made


def end(world: World) -> int:
    with acts(WORKER):
        return end_alternatives(actor=WORKER_ACTOR)


def approve(world: World, proposal_id: UUID) -> None:
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)


def test_each_alternative_is_a_proposal_of_its_own(world: World) -> None:
    first, second = (world.get(each) for each in submitted(world))
    assert first.choice_id == second.choice_id and first.choice_id is not None
    assert (first.alternative, second.alternative) == (1, 2)
    assert first.plan_digest != second.plan_digest and first.rationale != second.rationale
    said = Entry.objects.get(pk=second.entry).data["data"]
    assert (said["choice"], said["alternative"]) == (str(second.choice_id), 2)


def test_the_same_choice_again_finds_the_open_one(world: World) -> None:
    assert submitted(world) == submitted(world)
    assert m.Choice.objects.count() == 1


def test_a_plan_that_stands_alone_cannot_join_a_choice(world: World) -> None:
    world.submit()  # both targets
    with pytest.raises(errors.WrongState, match="proposed already"):
        submitted(world)


def test_alternatives_are_no_duplicates_of_each_other(world: World) -> None:
    _, second = reviewed(world)
    found = m.Assessment.objects.get(proposal=second)
    assert b"duplicate" not in b",".join(
        line for line in bytes(found.checks).split(b"{") if b'"fail"' in line or b'"warn"' in line
    )


def test_when_one_is_approved_the_other_ends_as_superseded(world: World) -> None:
    first, second = reviewed(world)
    world.decide("alice", second)
    approve(world, first)
    with pytest.raises(errors.ChoiceTaken):
        world.decide("bob", second)
    assert end(world) == 1
    move = m.Transition.objects.filter(proposal=second).latest("pk")
    assert (move.to_state, move.reason) == ("superseded", "alternative_approved")
    said = Entry.objects.get(pk=move.entry).data
    assert said["action"] == "worker:proposal:superseded"
    assert said["data"]["by"] == str(first)
    assert end(world) == 0
    world.execute(first)
    assert world.state_of(first) == "succeeded"


def test_nothing_ends_before_one_is_decided(world: World) -> None:
    first, second = reviewed(world)
    world.decide("alice", first)
    assert end(world) == 0
    assert [world.state_of(each) for each in (first, second)] == ["in_review", "in_review"]


def test_none_of_them_is_one_signature_for_all_of_the_choice(world: World) -> None:
    first, second = reviewed(world)
    world.decide("bob", first, "return", reason=NONE)
    # Only after the worker verified the signature.
    assert end(world) == 0
    world.settle(first)
    assert end(world) == 1
    assert [world.state_of(each) for each in (first, second)] == ["returned", "superseded"]
    assert m.Transition.objects.filter(proposal=second).latest("pk").reason == "none_of_them"


def test_a_return_for_another_reason_leaves_the_other_open(world: World) -> None:
    first, second = reviewed(world)
    world.decide("bob", first, "return")
    world.settle(first)
    assert end(world) == 0 and world.state_of(second) == "in_review"


def test_none_of_them_does_not_end_what_a_quorum_approved_before(world: World) -> None:
    world.approve_keys_of("alice", "mallory", "bob")
    first, second = reviewed(world)
    world.decide("mallory", second, "return", reason=NONE)
    approve(world, first)
    world.settle(second)
    assert end(world) == 0 and world.state_of(first) == "approved"


def test_a_correction_of_an_alternative_stays_in_its_choice(world: World) -> None:
    first, second = reviewed(world)
    with acts(WEB):
        made = stepup.correct(
            world.people["mallory"],
            first,
            correct.Correction("It is misused from outside.", 80, {}),
            "The summary was too short.",
        )
    assert (world.get(made).choice_id, world.get(made).alternative) == (
        world.get(first).choice_id,
        1,
    )
    approve(world, second)
    assert end(world) == 1 and world.state_of(made) == "superseded"


def test_the_agents_new_version_of_an_alternative_stays_in_its_choice(world: World) -> None:
    first, _ = reviewed(world)
    with acts(WEB), transaction.atomic():
        made = supersede.supersede(
            actor=world.agent,
            proposal_id=first,
            plan=factories.plan("t2", environment=world.environment),
            rationale="The other one.",
            reason="Wrong target.",
        )
    assert world.get(made).choice_id == world.get(first).choice_id


def test_after_none_of_them_a_person_makes_a_plan(world: World) -> None:
    first, _ = reviewed(world)
    world.decide("bob", first, "return", reason=NONE)
    world.settle(first)
    end(world)
    with acts(WEB):
        made = make_plan.make(
            actor=world.people["alice"].user,
            incident_id=world.get(first).incident_id,
            plan=factories.plan("t2", environment=world.environment),
            rationale="Only the second key is in use.",
            follows=first,
        )
    assert (world.get(made).choice_id, world.get(made).supersedes_id) == (None, first)
