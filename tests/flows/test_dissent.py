"""Reject and return change the state only after the worker verified the signature."""

from __future__ import annotations

import pytest

from remediation import models as m
from remediation.domain import errors
from tests.flows.world import YES, World


@pytest.mark.parametrize(("decision", "state"), [("reject", "rejected"), ("return", "returned")])
def test_a_signed_dissent_changes_the_state_only_after_verification(
    world: World, decision: str, state: str
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, decision)
    assert world.state_of(proposal_id) == "in_review"
    world.settle(proposal_id)
    assert world.state_of(proposal_id) == state
    world.execute(proposal_id)
    assert world.calls() == []


def test_after_a_dissent_nobody_can_approve_in_that_round(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, "reject")
    world.decide("bob", proposal_id)
    assert world.state_of(proposal_id) == "in_review"


def test_a43_a_no_that_no_approver_signed_is_refused_by_name_and_blocks_nothing(
    world: World,
) -> None:
    proposal_id = world.in_review()
    world.approve_keys_of("bob")
    world.decide("alice", proposal_id, "reject")
    world.settle(proposal_id)
    assert world.refusals(proposal_id) == ["unknown_approver_key"]
    proposal = world.get(proposal_id)
    assert (proposal.state, proposal.round) == ("in_review", 2)


@pytest.mark.parametrize("disputed", ["diagnosis", "scope", "action"])
def test_an_action_is_not_approved_while_diagnosis_or_scope_is_disputed(
    world: World, disputed: str
) -> None:
    proposal_id = world.in_review()
    with pytest.raises(errors.VerdictsDisagree):
        world.decide("alice", proposal_id, verdicts={**YES, disputed: "no"})
    assert not m.Review.objects.exists()


def test_a_dissent_needs_a_reason_code_and_a_text(world: World) -> None:
    proposal_id = world.in_review()
    with pytest.raises(errors.ReasonRequired):
        world.decide("alice", proposal_id, "reject", reason={"code": "because", "text": "x" * 20})
    with pytest.raises(errors.ReasonRequired):
        world.decide("alice", proposal_id, "reject", reason={"code": "other", "text": "no"})


def test_a33_a_rejected_plan_that_comes_again_is_linked_and_fails_a_check(world: World) -> None:
    first = world.in_review()
    world.decide("alice", first, "reject")
    world.settle(first)
    again = world.in_review()
    assert again != first
    checks = m.Assessment.objects.get(proposal_id=again).facts
    assert b"earlier_rejection" in bytes(checks)
    said = m.Assessment.objects.get(proposal_id=again).checks
    assert b"The diagnosis is wrong: It does not hold." in bytes(said)
