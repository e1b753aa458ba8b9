"""From report to effect through all services, each with its own database login."""

from __future__ import annotations

from tests.flows.conftest import MakeWorld
from tests.flows.world import World


def test_two_people_approve_and_the_worker_executes_once(world: World) -> None:
    proposal_id = world.in_review()
    assert world.state_of(proposal_id) == "in_review"
    world.decide("alice", proposal_id)
    assert world.state_of(proposal_id) == "in_review"
    world.execute(proposal_id)
    assert world.calls() == []
    world.decide("bob", proposal_id)
    assert world.state_of(proposal_id) == "approved"
    assert world.calls() == []
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert world.phases(proposal_id) == [(0, "intended"), (0, "applied"), (0, "verified")]
    assert [call["call"] for call in world.calls()] == ["apply"]


def test_a41_a_message_that_comes_again_runs_nothing(world: World) -> None:
    proposal_id = world.approved()
    for _ in range(3):
        world.execute(proposal_id)
    assert len(world.calls()) == 1


def test_several_steps_run_in_order(make_world: MakeWorld) -> None:
    world = make_world("t1", "t2", "t3")
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert [call["target"] for call in world.calls()] == ["t1", "t2", "t3"]
