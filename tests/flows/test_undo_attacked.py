"""An undo beside other people's runs, and floods of forged statements (A65)."""

from __future__ import annotations

import contextlib

import pytest
from django.db import Error, transaction

from remediation import models as m
from remediation.domain import errors
from remediation.services.execution import propose_rest, reconcile
from tests import factories
from tests.factories import WEB, WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.world import WORKER_ACTOR, World, acts

WHY = "The shop stands still tonight."

pytestmark = pytest.mark.django_db


def test_an_undo_does_not_take_back_what_another_approved_run_did_meanwhile(world: World) -> None:
    """P1 stopped, its step unconfirmed. Two people approve the rest: P2 succeeds and contains.
    Then one person undoes P1, and the access that P2's approvers took away is back."""
    first = world.approved()
    world.inject({"t1": {"stale": True}})
    world.execute(first)
    assert world.state_of(first) == "stopped"
    world.inject({})
    with acts(WEB):
        second = propose_rest.propose(
            actor=world.people["mallory"].user, proposal_id=first, reason=WHY
        )
    world.assess(second)
    world.decide("alice", second)
    world.decide("bob", second)
    world.execute(second)
    assert (world.state_of(second), world.state()) == ("succeeded", "off")
    world.halt("alice", first, WHY, "undo")
    world.reconcile()
    assert world.state() == "off"


def test_an_undo_waits_for_no_answer_of_another_run(world: World) -> None:
    """The rest was called and nobody knows its outcome: what is off may be that run's doing."""
    first = world.approved()
    world.inject({"t1": {"stale": True}})
    world.execute(first)
    world.inject({"t1": {"unknown_apply": True}})
    with acts(WEB):
        second = propose_rest.propose(
            actor=world.people["mallory"].user, proposal_id=first, reason=WHY
        )
    world.assess(second)
    world.decide("alice", second)
    world.decide("bob", second)
    world.execute(second)
    assert (world.state_of(second), world.state()) == ("unknown", "off")
    world.halt("alice", first, WHY, "undo")
    world.end_leases()
    with acts(WORKER):
        reconcile.reconcile_one(first, actor=WORKER_ACTOR)
    assert (world.state_of(first), world.state()) == ("stopped", "off")
    assert m.StepRecord.objects.get(phase="undo_failed").data["refusal"] == "not_as_left"


def test_a_flood_of_forged_halts_is_judged_in_bounded_pieces(world: World) -> None:
    open_ = world.directory / "session"
    open_.touch()
    world.inject({"t1": {"open": str(open_)}})
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "executing"
    alice = world.people["alice"]
    # A step that has not ended, so that an undo is still in time.
    for _ in range(200):
        with contextlib.suppress(Error), transaction.atomic():  # a guard may refuse so many
            factories.halt(
                world.get(proposal_id), alice, decision="undo", columns={"signature": b"x" * 64}
            )
    world.reconcile()
    assert m.HaltVerdict.objects.count() <= 100
    # A valid one behind the others is found before the run succeeds.
    world.halt("bob", proposal_id, WHY, "undo")
    open_.unlink()
    world.inject({})
    world.reconcile()
    assert (world.state_of(proposal_id), world.state()) == ("rolled_back", "on")


def test_the_rest_is_the_rest_and_not_what_hitl_web_put_there(make_world: MakeWorld) -> None:
    """hitl_web inserts a proposal in the agent's name that supersedes the stopped run. "Propose
    the rest" then leads people to its plan; only one proposal may follow a run."""
    world = make_world("t1", "t2")
    first = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(first)
    assert world.state_of(first) == "stopped"
    old = world.get(first)
    other = factories.plan("t1", environment="production")
    with factories.as_owner():
        agent, token = old.agent, old.token
    planted = factories.insert_proposal(
        other, diagnosis=old.diagnosis, agent=agent, token=token, supersedes=old, editor=None
    )
    with acts(WEB), pytest.raises(errors.WrongState, match=str(planted.pk)):
        propose_rest.propose(actor=world.people["mallory"].user, proposal_id=first, reason=WHY)
