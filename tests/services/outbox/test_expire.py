"""Deadlines: a warning first, then a notified expiry, never an approval."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from audit.models import Entry
from remediation import models as m
from remediation.services.outbox import expire
from tests import factories
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path, settings, django_capture_on_commit_callbacks):  # type: ignore[no-untyped-def]
    made = World(tmp_path, settings)
    made.capture = django_capture_on_commit_callbacks
    return made


def run(world: World) -> int:
    with acts(factories.WORKER), world.capture(execute=True):  # type: ignore[attr-defined]
        return expire.expire(actor=WORKER_ACTOR)


def age(world: World, share: float) -> None:
    """Age the proposal by this share of its time to decide."""
    assessment = m.Assessment.objects.get()
    assert assessment.decide_by is not None
    whole = assessment.decide_by - assessment.recorded_at
    factories.backdate(assessment, seconds=(whole * share).total_seconds())
    factories.backdate(assessment, "decide_by", seconds=(whole * share).total_seconds())


def test_nothing_is_due_right_after_the_assessment(world: World) -> None:
    world.in_review()
    assert run(world) == 0
    assert not m.Notice.objects.exists()


@pytest.mark.parametrize(("share", "kind"), [(0.55, "50"), (0.85, "80")])
def test_a_warning_goes_once_to_those_who_may_decide(world: World, share: float, kind: str) -> None:
    world.in_review()
    age(world, share)
    run(world)
    run(world)
    assert list(m.Notice.objects.values_list("kind", flat=True)) == [kind]
    world.deliver()
    warned = [one for one in mail.outbox if "still waits" in one.subject]
    entitled = {world.people[name].user.email for name in ("alice", "bob", "mallory")}
    # dave owns the agent and eve made its token: they are excluded.
    assert {one.to[0] for one in warned} == entitled and len(warned) == 3


def test_a_passed_deadline_expires_and_notifies_the_lead(world: World) -> None:
    lead = factories.person(roles=["lead"])
    proposal_id = world.in_review()
    age(world, 1.1)
    assert run(world) == 1
    assert world.state_of(proposal_id) == "expired"
    assert not m.IncidentTransition.objects.exists()
    world.deliver()
    told = {one.to[0] for one in mail.outbox if "expired without a decision" in one.subject}
    assert lead.user.email in told and len(told) == 4
    # Nobody is asked any more to decide what expired.
    assert not [one for one in mail.outbox if "waits for your decision" in one.subject]
    moved = m.Transition.objects.latest("id")
    assert Entry.objects.get(pk=moved.entry).data["data"]["reason"] == "deadline"


def test_an_expired_proposal_is_never_executed(world: World) -> None:
    proposal_id = world.in_review()
    age(world, 1.1)
    run(world)
    world.execute(proposal_id)
    assert world.calls() == []


def test_an_unassessed_submission_expires_after_a_day(world: World) -> None:
    proposal_id = world.submit()
    assert run(world) == 0
    factories.backdate(world.get(proposal_id), hours=25)
    assert run(world) == 1
    assert world.state_of(proposal_id) == "expired"


def test_an_approval_expires_when_its_time_to_run_has_passed(world: World) -> None:
    proposal_id = world.approved()
    assert run(world) == 0
    factories.backdate(
        m.Transition.objects.get(to_state="approved"), seconds=timedelta(minutes=16).total_seconds()
    )
    assert run(world) == 1
    assert world.state_of(proposal_id) == "expired"
