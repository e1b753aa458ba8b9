"""Contained is said only of what was seen at the end, and only people close it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import Error, transaction

from remediation import models as m
from remediation.services.execution import look
from tests import factories
from tests.factories import WEB, WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db


def test_a68_a_place_that_was_seen_long_before_the_run_ended_contains_nothing(
    make_world: MakeWorld,
) -> None:
    """Step 1 takes the identity's access away and is confirmed; step 2 waits for hours (looks are
    suppressed while a run executes); an administrator gives the identity its access back."""
    world = make_world("t1", "t2")
    session = world.directory / "session"
    session.touch()
    world.inject({"t2": {"open": str(session)}})
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "executing"
    for row in m.StepRecord.objects.filter(step=0):
        factories.backdate(row, hours=3)
    world.set_state("t1", "on")
    session.unlink()
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded"
    incident = world.get(proposal_id).incident
    assert not incident.transitions.exists()
    # A look is due at once. It finds access, and contains nothing.
    with acts(WORKER):
        assert look.look(actor=WORKER_ACTOR) == 1
    assert incident.looks.get().found == "access" and not incident.transitions.exists()


def test_a68_the_look_after_a_run_that_was_seen_too_early_contains(make_world: MakeWorld) -> None:
    world = make_world("t1", "t2")
    session = world.directory / "session"
    session.touch()
    world.inject({"t2": {"open": str(session)}})
    proposal_id = world.approved()
    world.execute(proposal_id)
    for row in m.StepRecord.objects.filter(step=0):
        factories.backdate(row, hours=3)
    session.unlink()
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded"
    incident = world.get(proposal_id).incident
    assert not incident.transitions.exists()
    with acts(WORKER):
        assert look.look(actor=WORKER_ACTOR) == 1
    move = incident.transitions.get()
    wanted = ("contained", incident.looks.get(), proposal_id)
    assert (move.to_state, move.look, move.proposal_id) == wanted


def test_a68_nobody_does_not_close_a_contained_incident(world: World) -> None:
    """hitl_web closes a contained incident in the name of nobody: it is never looked at again,
    and what was approved for it is refused for good."""
    proposal_id = world.approved()
    world.execute(proposal_id)
    incident = world.get(proposal_id).incident
    assert incident.transitions.latest("pk").to_state == "contained"
    for row in incident.transitions.all():
        factories.backdate(row, minutes=10)
    nobody = f"person:{uuid4()}"
    with pytest.raises(Error), transaction.atomic():
        factories.incident_move(
            incident, "closed", source="contained", login=WEB, actor=nobody,
            outcome="handled_outside", reason="handled elsewhere",
        )  # fmt: skip
    world.set_state("t1", "on")
    with acts(WORKER):
        look.look(actor=WORKER_ACTOR)
    assert incident.transitions.latest("pk").to_state == "open"
