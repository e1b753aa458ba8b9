"""The gate: what it clears, and what each step but signatures refuses."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.tlog.canonical import Json, encode
from remediation.domain.errors import (
    ClockSkew,
    Deadline,
    Digest,
    Drift,
    Frozen,
    GateAgentDisabled,
    Quorum,
    ReviewerLost,
    RulingTightened,
    SeparationOfDuties,
    TargetGone,
    TargetUnobservable,
)
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import (
    AgentEvidence,
    Excluded,
)
from remediation.domain.gate.finding import Failure, Success
from remediation.domain.gate.gate import CLEARANCE_S, Clearance, examine
from remediation.domain.observation import Pinned, Unobservable
from remediation.domain.scope import Scope, ScopeTarget
from tests.domain import record
from tests.domain.gate.verifying import GOOD, at, step, two_steps, verify
from tests.domain.story import (
    ALICE,
    APPROVED,
    ASSESSED,
    BOB,
    LOCATOR,
    NOW,
    PROPOSAL,
    Story,
    a_plan,
    an_approver,
    an_observation,
    approvers,
    sign,
)

# --- the clearance


def test_good_evidence_gives_a_clearance_for_this_step_and_thirty_seconds() -> None:
    clearance = verify(GOOD)
    assert clearance.proposal_id == PROPOSAL
    assert clearance.plan_digest == a_plan().digest
    assert (clearance.step, clearance.token, clearance.rollback) == (0, 1, False)
    assert clearance.pin_digest == Story().digests().pin
    assert clearance.ends == 50.0 + CLEARANCE_S == 80.0
    assert "apply step 0" in repr(clearance)


def test_only_the_gate_makes_a_clearance() -> None:
    for arguments in ((), (None,), (object(),)):
        with pytest.raises(TypeError, match="only the gate"):
            Clearance(*arguments, proposal_id=PROPOSAL, plan_digest="x", step=0)


def test_a_clearance_cannot_be_changed_copied_stored_or_extended() -> None:
    clearance = verify(GOOD)
    with pytest.raises(AttributeError):
        clearance.step = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        clearance.ends = 1e9  # type: ignore[misc]
    with pytest.raises(AttributeError):
        clearance._fields = ()  # type: ignore[assignment]
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            take(clearance)


# --- examine and verify say the same


def test_examine_names_seven_steps_in_order() -> None:
    found = examine(GOOD, approvers=approvers(), now=NOW, log=record.trust())
    assert [(f.number, f.name) for f in found] == [
        (1, "digests"),
        (2, "ruling"),
        (3, "signatures"),
        (4, "quorum and separation of duties"),
        (5, "freshness"),
        (6, "drift"),
        (7, "audit inclusion"),
    ]
    assert all(f.result == Success() for f in found)


def test_examine_goes_on_after_a_failure_and_verify_stops_at_the_first() -> None:
    frozen_and_drifted = replace(
        GOOD, frozen="exercise", observations=(Pinned(LOCATOR, True, {"login": False}),)
    )
    found = examine(frozen_and_drifted, approvers=approvers(), now=NOW, log=record.trust())
    assert [f.number for f in found if not f.result] == [5, 6]
    with pytest.raises(Frozen):
        verify(frozen_and_drifted)


def test_unreadable_evidence_fails_every_step_that_needs_it_and_raises_nothing() -> None:
    broken = replace(GOOD, plan="\ud800", ruling="", pin="[]", scope="null", checks="{}")
    found = examine(broken, approvers=approvers(), now=NOW)
    results = [f.result for f in found]
    assert all(isinstance(result, Failure) for result in results[:2])


# --- (1) digests


def test_a04_the_plan_swapped_after_approval_is_refused() -> None:
    other = Story(plan=a_plan(steps=[step("app_billing")]))
    swapped = replace(GOOD, plan=other.plan.body.decode())
    with pytest.raises(Digest):
        verify(swapped)


def test_a05_reviews_over_another_environment_do_not_carry_over() -> None:
    staging = Story(plan=a_plan(environment="staging"))
    with pytest.raises(Digest, match="other digests"):
        verify(staging.evidence(*GOOD.reviews))


def test_a_plan_on_a_cluster_that_became_protected_is_refused() -> None:
    with pytest.raises(Digest, match="protected_target"):
        verify(GOOD, protected=frozenset({"billing-db"}))


def test_test_actions_pass_only_where_they_are_allowed() -> None:
    noop: Json = {
        "action": "test.noop",
        "target": {"kind": "test.target", "name": "one"},
        "parameters": {},
    }
    locator = "test.target:one"
    story = Story(
        plan=a_plan(steps=[noop]),
        scope=Scope((ScopeTarget(locator, True, "test.target", "production", "x"),), (), ()),
        observation=replace(an_observation(), state={"state": "off"}),
    )
    assert verify(story.evidence(), allow_test=True).plan_digest == story.plan.digest
    with pytest.raises(Digest, match="unknown_action"):
        verify(story.evidence())


def test_a_pin_that_everyone_signed_must_still_hold_the_plans_targets_in_order() -> None:
    class OtherPin(Story):
        def pin(self) -> bytes:
            targets = json.loads(super().pin())["targets"]
            return encode({"targets": list(reversed(targets))})

    told = two_steps()
    story = OtherPin(plan=told.plan, scope=told.scope)
    with pytest.raises(Digest, match="order"):
        verify(story.evidence())


# --- (2) ruling


def test_a32_policy_that_was_tightened_after_approval_is_refused() -> None:
    facts = replace(GOOD.facts, failed_checks=("hidden_characters",), payment_path=True)
    with pytest.raises(RulingTightened, match="critical"):
        verify(replace(GOOD, facts=facts))


def test_a45_facts_loosened_after_approval_change_nothing() -> None:
    """The gate also derives the facts from the signed bodies, and takes the strictest."""
    loose = replace(
        GOOD.facts, environments=(), criticality="low", payment_path=False, actions=(), unknown=()
    )
    verify(replace(GOOD, facts=loose))
    weak = Story()
    asked = replace(weak.the_ruling().requirements, slots=("any",), risk="low")
    weak.ruling = replace(weak.the_ruling(), requirements=asked)
    review = sign(weak.statement(ALICE, "any"))
    with pytest.raises(RulingTightened, match="slots"):
        verify(replace(weak.evidence(review), facts=loose))


def test_a_ruling_without_slots_is_refused_even_without_reviews() -> None:
    story = Story()
    asked = replace(story.the_ruling().requirements, slots=())
    story.ruling = replace(story.the_ruling(), requirements=asked)
    with pytest.raises(Digest, match="slots"):
        verify(replace(story.evidence(), reviews=()))


# --- (4) quorum and separation of duties


def test_a10_one_person_in_two_required_roles_is_refused() -> None:
    file = Approvers((an_approver(ALICE, "security", "service_owner"),))
    story = Story()
    twice = story.evidence(
        sign(story.statement(ALICE, "security")), sign(story.statement(ALICE, "service_owner"))
    )
    with pytest.raises(SeparationOfDuties, match="more than once"):
        verify(twice, approvers=file)


def test_a11_someone_who_took_part_is_refused_with_the_reason() -> None:
    for why in ("owner of the agent", "created its token", "loosened the inventory"):
        with pytest.raises(SeparationOfDuties, match=why):
            verify(replace(GOOD, excluded=(Excluded(ALICE, why),)))


def test_without_reviews_there_is_no_quorum() -> None:
    with pytest.raises(Quorum):
        verify(replace(GOOD, reviews=()))


# --- (5) freshness


def test_a30_the_run_deadline_is_exact() -> None:
    end = APPROVED + timedelta(seconds=900)
    verify(at(end - timedelta(microseconds=1)))
    with pytest.raises(Deadline):
        verify(at(end))


def test_a30_the_decision_deadline_is_exact() -> None:
    due = ASSESSED + timedelta(seconds=1_800)
    verify(at(due, approved_at=due))
    with pytest.raises(Deadline):
        verify(at(due, approved_at=due + timedelta(microseconds=1)))


@pytest.mark.parametrize("sign_of", [1, -1])
def test_clocks_may_differ_by_two_seconds_and_no_more(sign_of: int) -> None:
    two = sign_of * timedelta(seconds=2)
    verify(replace(GOOD, worker_now=NOW + two))
    with pytest.raises(ClockSkew):
        verify(replace(GOOD, worker_now=NOW + two + sign_of * timedelta(microseconds=1)))
    with pytest.raises(ClockSkew):
        verify(GOOD, now=NOW + 2 * two)


def test_a16_a_reviewer_deactivated_or_agent_suspended_since_is_refused() -> None:
    alice, bob = GOOD.people
    for people in ((alice,), (alice, replace(bob, active=False)), (alice, replace(bob, roles=()))):
        with pytest.raises(ReviewerLost, match=BOB):
            verify(replace(GOOD, people=people))
    with pytest.raises(GateAgentDisabled):
        verify(replace(GOOD, agent=AgentEvidence("a", False)))


def test_a32_a_freeze_after_dispatch_is_refused() -> None:
    with pytest.raises(Frozen, match="incident in the datacentre"):
        verify(replace(GOOD, frozen="incident in the datacentre"))


def test_final_refusals_come_before_temporary_ones() -> None:
    late = at(APPROVED + timedelta(hours=1), frozen="x", agent=AgentEvidence("a", False))
    with pytest.raises(Deadline):
        verify(late)
    with pytest.raises(GateAgentDisabled):
        verify(replace(GOOD, frozen="x", agent=AgentEvidence("a", False)))


# --- (6) drift


def test_a31_a_target_that_changed_vanished_or_is_unobservable_is_refused() -> None:
    changed = Pinned(LOCATOR, True, an_observation(login=False).state)
    with pytest.raises(Drift, match="login was True, is False"):
        verify(replace(GOOD, observations=(changed,)))
    with pytest.raises(TargetGone):
        verify(replace(GOOD, observations=(Pinned(LOCATOR, False, {}),)))
    with pytest.raises(TargetUnobservable, match="was not observed"):
        verify(replace(GOOD, observations=()))
    unseen = replace(GOOD, unobservable=(Unobservable(LOCATOR, "no route"),))
    with pytest.raises(TargetUnobservable, match="no route"):
        verify(unseen)


def test_two_observations_of_a_target_must_both_agree() -> None:
    changed = Pinned(LOCATOR, True, an_observation(login=False).state)
    with pytest.raises(Drift):
        verify(replace(GOOD, observations=(*GOOD.observations, changed)))


def test_a_target_that_was_pinned_as_missing_is_gone() -> None:
    story = Story(observation=replace(an_observation(), exists=False, state={}))
    with pytest.raises(TargetGone):
        verify(story.evidence())
