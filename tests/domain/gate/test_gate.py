"""The gate: nothing passes that people did not approve exactly so, in time, and unchanged."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json, encode
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import (
    BadInput,
    ClockSkew,
    Deadline,
    Digest,
    Drift,
    Frozen,
    GateAgentDisabled,
    GateProposerLost,
    GateRefused,
    Quorum,
    ReviewerLost,
    RulingTightened,
    SeparationOfDuties,
    Signature,
    TargetGone,
    TargetUnobservable,
    UnknownApproverKey,
)
from remediation.domain.gate import gate
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import (
    AgentEvidence,
    Evidence,
    Excluded,
    PersonEvidence,
    ReversalEvidence,
    Unobservable,
)
from remediation.domain.gate.gate import CLEARANCE_S, Clearance, Failure, Success, examine
from remediation.domain.observation import Pinned
from remediation.domain.scope import Scope, ScopeTarget
from tests.domain import record
from tests.domain.story import (
    ALICE,
    APPROVED,
    ASSESSED,
    BOB,
    EVE,
    KEYS,
    LOCATOR,
    NOW,
    ORIGIN,
    PROPOSAL,
    RP_ID,
    TARGET,
    Story,
    a_plan,
    a_scope,
    an_approver,
    an_observation,
    approvers,
    sign,
)

GOOD = Story().evidence()


def verify(evidence: Evidence, *, now: datetime | None = None, **changes: Any) -> Clearance:
    given_ = {
        "approvers": approvers(),
        "now": now or evidence.database_now,
        "monotonic": 50.0,
        "log": record.trust(),
    }
    return gate.verify(evidence, **{**given_, **changes})


def undo(evidence: Evidence, **changes: Any) -> Clearance:
    given_ = {"approvers": approvers(), "now": evidence.database_now, "monotonic": 50.0}
    return gate.verify_rollback(evidence, **{**given_, **changes})


def at(moment: datetime, **changes: Any) -> Evidence:
    return replace(GOOD, database_now=moment, worker_now=moment, **changes)


# --- the clearance


def test_good_evidence_gives_a_clearance_for_this_step_and_half_a_minute() -> None:
    clearance = verify(GOOD)
    assert clearance.proposal_id == PROPOSAL
    assert clearance.plan_digest == a_plan().digest
    assert (clearance.step, clearance.token, clearance.undo) == (0, 1, False)
    assert clearance.pin_digest == Story().digests().pin
    assert clearance.ends == 50.0 + CLEARANCE_S
    assert "apply step 0" in repr(clearance)


def test_nobody_else_makes_a_clearance() -> None:
    for arguments in ((), (None,), (object(),)):
        with pytest.raises(TypeError, match="only the gate"):
            Clearance(*arguments, proposal_id=PROPOSAL, plan_digest="x", step=0)


def test_a_clearance_is_not_changed_copied_stored_or_extended() -> None:
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


def test_a45_facts_that_were_loosened_since_change_nothing() -> None:
    """The gate derives the facts from the signed bodies too, and takes the strictest."""
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


# --- (3) signatures


def test_a43_two_correctly_signed_reviews_by_unknown_people_are_refused() -> None:
    story = Story()
    forged = story.evidence(
        sign(story.statement(EVE, "security")), sign(story.statement(BOB, "service_owner"))
    )
    with pytest.raises(UnknownApproverKey, match=EVE):
        verify(forged)


def test_a43_an_empty_approvers_file_approves_nothing() -> None:
    with pytest.raises(UnknownApproverKey):
        verify(GOOD, approvers=Approvers(()))


@pytest.mark.parametrize(
    "changes",
    [
        {"until": NOW},  # removed since
        {"since": ASSESSED + timedelta(minutes=6)},  # added after the review
        {"roles": ("service_owner",)},  # never for this slot
    ],
)
def test_the_key_must_stand_in_the_file_then_and_now_and_for_the_role(
    changes: dict[str, Any],
) -> None:
    file = Approvers((an_approver(ALICE, "security", **changes), an_approver(BOB, "service_owner")))
    with pytest.raises(UnknownApproverKey):
        verify(GOOD, approvers=file)


def test_a20_an_assertion_is_not_replayed_for_another_round() -> None:
    """Same plan, same people, next round: the statements of the first count nothing."""
    with pytest.raises(Signature, match="not"):
        verify(replace(GOOD, round=2))


def test_a20_an_assertion_is_not_replayed_for_another_proposal() -> None:
    with pytest.raises(Signature):
        verify(replace(GOOD, proposal_id=EVE))


def test_the_callers_relying_party_and_origin_bind_the_files_entries() -> None:
    verify(GOOD, rp_id=RP_ID, origin=ORIGIN)
    with pytest.raises(UnknownApproverKey):
        verify(GOOD, rp_id="portal.example")
    with pytest.raises(UnknownApproverKey):
        verify(GOOD, origin="https://portal.example")


@pytest.mark.parametrize(
    "changes", [{"origin": "https://portal.example"}, {"rp_id": "portal.example"}]
)
def test_statement_and_file_must_name_the_same_relying_party_and_origin(
    changes: dict[str, Any],
) -> None:
    """The passkey was used at the right place, but the statement that was signed names another."""
    story = Story()
    statement = story.statement(ALICE, "security", **changes)
    assertion = KEYS[ALICE].assertion(statement.challenge(), RP_ID, ORIGIN)
    review = replace(sign(statement), assertion=assertion)
    with pytest.raises(Signature, match="another relying party or origin"):
        verify(story.evidence(review, sign(story.statement(BOB, "service_owner"))))


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


def test_no_reviews_are_no_quorum() -> None:
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


def test_a16_reviewer_deactivated_or_agent_suspended_since() -> None:
    alice, bob = GOOD.people
    for people in ((alice,), (alice, replace(bob, active=False)), (alice, replace(bob, roles=()))):
        with pytest.raises(ReviewerLost, match=BOB):
            verify(replace(GOOD, people=people))
    with pytest.raises(GateAgentDisabled):
        verify(replace(GOOD, agent=AgentEvidence("a", False)))


def test_a32_a_freeze_after_dispatch_is_refused() -> None:
    with pytest.raises(Frozen, match="incident in the datacentre"):
        verify(replace(GOOD, frozen="incident in the datacentre"))


def test_what_ends_a_proposal_is_found_before_what_only_delays_it() -> None:
    late = at(APPROVED + timedelta(hours=1), frozen="x", agent=AgentEvidence("a", False))
    with pytest.raises(Deadline):
        verify(late)
    with pytest.raises(GateAgentDisabled):
        verify(replace(GOOD, frozen="x", agent=AgentEvidence("a", False)))


# --- (6) drift


def test_a31_the_target_changed_vanished_or_cannot_be_seen() -> None:
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


# --- a plan of two steps


def step(role: str) -> dict[str, Json]:
    return {
        "action": "postgres.role.disable",
        "target": {**TARGET, "role": role},
        "parameters": {},
    }


def two_steps() -> Story:
    plan = a_plan(steps=[step("app_orders"), step("app_billing")])
    targets = tuple(
        ScopeTarget(target.locator, True, "postgres.role", "production", "x")
        for target in plan.targets
    )
    return Story(plan=plan, scope=a_scope(targets=targets))


def test_a_later_step_needs_the_earlier_ones_applied_and_only_its_own_target_unchanged() -> None:
    given_ = two_steps().evidence()
    first, second = given_.observations
    done = replace(first, state={**first.state, "login": False})
    later = replace(given_, step=1, applied=(0,), observations=(done, second))
    assert verify(later).step == 1
    with pytest.raises(Digest):
        verify(replace(later, applied=()))
    drifted = replace(second, state={**second.state, "superuser": True})
    with pytest.raises(Drift):
        verify(replace(later, observations=(done, drifted)))
    with pytest.raises(Frozen):
        verify(replace(later, frozen="now"))


def test_drift_of_a_later_target_stops_the_first_step_too_when_it_was_seen() -> None:
    given_ = two_steps().evidence()
    first, second = given_.observations
    drifted = replace(second, state={**second.state, "superuser": True})
    with pytest.raises(Drift):
        verify(replace(given_, observations=(first, drifted)))
    assert verify(replace(given_, observations=(first,))).step == 0


# --- undoing


APPLIED = replace(GOOD, applied=(0,))


def test_an_applied_step_may_be_undone_after_deadline_freeze_and_lost_reviewers() -> None:
    late = APPROVED + timedelta(days=1)
    after = replace(
        APPLIED,
        database_now=late,
        worker_now=late,
        frozen="everything",
        people=(),
        observations=(),
        agent=AgentEvidence("a", False),
        facts=replace(GOOD.facts, payment_path=True),
    )
    clearance = undo(after)
    assert (clearance.undo, clearance.step) == (True, 0)
    assert "undo step 0" in repr(clearance)
    removed = an_approver(ALICE, "security", until=NOW)
    undo(after, approvers=Approvers((removed, an_approver(BOB, "service_owner"))))


def test_a_step_that_was_not_applied_is_not_undone() -> None:
    with pytest.raises(Digest, match="not applied"):
        undo(GOOD)


def test_what_was_never_approved_is_not_undone() -> None:
    story = Story()
    with pytest.raises(Quorum):
        undo(replace(APPLIED, reviews=(sign(story.statement(ALICE, "security")),)))
    with pytest.raises(UnknownApproverKey):
        undo(APPLIED, approvers=Approvers(()))
    with pytest.raises(Digest):
        undo(replace(APPLIED, pin=GOOD.pin.replace("16400", "16401")))
    with pytest.raises(Signature):
        undo(replace(APPLIED, round=2))


def test_a_step_that_was_approved_without_a_rollback_is_not_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No such action exists yet, so the catalogue is changed for this test."""
    kind = "postgres.role.disable"
    final = replace(ACTIONS[kind], rollback=None, reversible=False)
    monkeypatch.setattr("remediation.domain.plan.ACTIONS", {**ACTIONS, kind: final})
    applied = replace(Story().evidence(), applied=(0,))
    with pytest.raises(Digest, match="no rollback"):
        undo(applied)


# --- whatever is malformed is a named refusal


DOCUMENT = json.loads(GOOD.dump())
SIGNED_BODIES = ("plan", "diagnosis", "scope", "checks", "ruling", "pin")


@given(st.sampled_from(SIGNED_BODIES), st.data())
def test_no_changed_character_of_a_signed_body_passes(name: str, data: st.DataObject) -> None:
    body: str = DOCUMENT[name]
    where = data.draw(st.integers(0, len(body) - 1))
    changed = body[:where] + data.draw(st.text(max_size=2)) + body[where + 1 :]
    if changed != body:
        changes: dict[str, Any] = {name: changed}
        with pytest.raises(GateRefused):
            verify(replace(GOOD, **changes))


@given(st.integers(0, 1), st.data())
def test_no_changed_character_of_a_statement_passes(which: int, data: st.DataObject) -> None:
    reviews = list(GOOD.reviews)
    body = reviews[which].statement
    where = data.draw(st.integers(0, len(body) - 1))
    changed = body[:where] + data.draw(st.text(max_size=2)) + body[where + 1 :]
    if changed != body:
        reviews[which] = replace(reviews[which], statement=changed)
        with pytest.raises(GateRefused):
            verify(replace(GOOD, reviews=tuple(reviews)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(sorted(DOCUMENT)), JSON)
def test_any_json_in_any_field_is_refused_by_name_or_judged(name: str, value: Json) -> None:
    try:
        evidence = Evidence.from_json(DOCUMENT | {name: value})
    except BadInput:
        return
    found = examine(evidence, approvers=approvers(), now=NOW, log=record.trust())
    holds = all(finding.result for finding in found)
    try:
        verify(evidence, now=NOW)
    except GateRefused:
        assert not holds
    else:
        assert holds


# --- undoing a run


LENA = PersonEvidence("1e0a0000-0000-4000-8000-000000000006", True, ("lead",))
SUSPENDED = AgentEvidence("a", False)


def undoing(proposer: PersonEvidence = LENA, digest: str = "") -> Evidence:
    """A person proposes to undo what a suspended agent's plan did."""
    of = "01d00000-0000-4000-8000-000000000007"
    said = ReversalEvidence(of, digest or Story().plan.digest, proposer)
    return Story().evidence(agent=SUSPENDED, reversal=said)


@pytest.mark.parametrize("role", ["lead", "security", "service_owner"])
def test_undoing_asks_who_proposed_it_and_not_the_agent_of_what_is_undone(role: str) -> None:
    assert verify(undoing(replace(LENA, roles=(role,)))).step == 0


@pytest.mark.parametrize(
    "proposer",
    [
        replace(LENA, active=False),
        replace(LENA, roles=()),
        replace(LENA, roles=("auditor", "user_admin")),
    ],
)
def test_who_proposed_to_undo_must_stand(proposer: PersonEvidence) -> None:
    with pytest.raises(GateProposerLost):
        verify(undoing(proposer))


@pytest.mark.parametrize("digest", ["0" * 64, "x", a_plan(environment="staging").digest])
def test_a_plan_that_is_called_undoing_and_is_not_exactly_that_is_refused(digest: str) -> None:
    """Whoever calls another plan so, to be rid of the question whether its agent may act."""
    with pytest.raises(Digest, match="leads back"):
        verify(undoing(digest=digest))


def test_where_nothing_leads_back_nothing_is_undone() -> None:
    given_ = undoing()
    assert given_.reversal is not None
    with pytest.raises(Digest):
        verify(replace(given_, reversal=replace(given_.reversal, plan="")))


def test_without_being_one_the_agent_is_asked_as_ever() -> None:
    with pytest.raises(GateAgentDisabled):
        verify(replace(undoing(), reversal=None))


def test_a_rollback_in_the_middle_of_undoing_asks_nobody_who_proposed_it() -> None:
    """What was applied is taken back also when the person is gone by then."""
    gone = replace(undoing(replace(LENA, active=False)), applied=(0,))
    assert undo(gone).undo


def test_evidence_with_and_without_it_reads_as_it_was_written() -> None:
    for given_ in (undoing(), GOOD):
        assert Evidence.parse(given_.dump()) == given_
    assert b"reversal" not in GOOD.dump()
