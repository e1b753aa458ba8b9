"""Steps 4 and 5 of the gate: who may have decided, and who must still be entitled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain.errors import (
    GateAgentDisabled,
    GateProposerLost,
    Quorum,
    ReviewerLost,
    SeparationOfDuties,
)
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import (
    AgentEvidence,
    Evidence,
    Excluded,
    PersonEvidence,
    ReversalEvidence,
)
from tests.domain.gate.verifying import GOOD, verify
from tests.domain.story import ALICE, BOB, EVE, Story, an_approver, approvers, sign
from tests.every import every

FILE = Approvers((*approvers().entries, an_approver(EVE, "security")))


def reviewed_by_three(*eves_roles: str) -> Evidence:
    """Return evidence whose ruling needs each role and one more person: eve, with these roles."""
    story = Story()
    slots = ("security", "service_owner", "any")
    asked = replace(story.the_ruling().requirements, slots=slots)
    story.ruling = replace(story.the_ruling(), requirements=asked)
    people = (*GOOD.people, PersonEvidence(EVE, True, eves_roles))
    return story.evidence(*story.reviews(), sign(story.statement(EVE, "any")), people=people)


@every("roles", [("security",), ("service_owner",), ("lead", "security")])
def test_either_role_keeps_a_reviewer_of_any_role_entitled(roles: tuple[str, ...]) -> None:
    assert verify(reviewed_by_three(*roles), approvers=FILE).step == 0


@every("roles", [(), ("lead",), ("auditor", "user_admin")])
def test_a_reviewer_of_any_role_who_holds_neither_now_is_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(ReviewerLost) as refused:
        verify(reviewed_by_three(*roles), approvers=FILE)
    assert refused.value.detail == f"{EVE} does not hold the role for any"


@every("roles", [("security",), ("lead",), ("security", "lead"), ()])
def test_a_reviewer_who_holds_another_role_now_is_refused(roles: tuple[str, ...]) -> None:
    alice, bob = GOOD.people
    with pytest.raises(ReviewerLost) as refused:
        verify(replace(GOOD, people=(alice, replace(bob, roles=roles))))
    assert refused.value.detail == f"{BOB} does not hold the role for service_owner"


def test_a_reviewer_who_is_not_active_now_is_named() -> None:
    alice, bob = GOOD.people
    for people in ((alice,), (alice, replace(bob, active=False))):
        with pytest.raises(ReviewerLost) as refused:
            verify(replace(GOOD, people=people))
        assert refused.value.detail == f"{BOB} is not active"


def test_a_suspended_agent_or_a_lost_proposer_is_named() -> None:
    with pytest.raises(GateAgentDisabled) as agent:
        verify(replace(GOOD, agent=AgentEvidence("a", False)))
    assert agent.value.detail == "a"
    lost = ReversalEvidence(EVE, Story().plan.digest, PersonEvidence(EVE, False, ("lead",)))
    with pytest.raises(GateProposerLost) as proposer:
        verify(replace(GOOD, reversal=lost))
    assert proposer.value.detail == EVE


def test_a11_the_agent_and_the_proposer_of_a_reversal_do_not_review() -> None:
    with pytest.raises(SeparationOfDuties) as agent:
        verify(replace(GOOD, agent=AgentEvidence(BOB, True)))
    assert agent.value.detail == f"{BOB} is the agent"
    proposed = ReversalEvidence(EVE, Story().plan.digest, PersonEvidence(BOB, True, ("lead",)))
    with pytest.raises(SeparationOfDuties) as proposer:
        verify(replace(GOOD, reversal=proposed))
    assert proposer.value.detail == f"{BOB} proposed it"


def test_a11_every_reason_of_an_excluded_reviewer_is_named() -> None:
    why = (Excluded(BOB, "owner of the agent"), Excluded(BOB, "created its token"))
    with pytest.raises(SeparationOfDuties) as refused:
        verify(replace(GOOD, excluded=why))
    assert refused.value.detail == f"{BOB}: owner of the agent; created its token"


def test_an_open_round_and_a_person_who_reviewed_twice_are_named() -> None:
    story = Story()
    alice = sign(story.statement(ALICE, "security"))
    with pytest.raises(Quorum) as still_open:
        verify(story.evidence(alice))
    assert still_open.value.detail == "the round is still open"
    both = Approvers((an_approver(ALICE, "security", "service_owner"),))
    with pytest.raises(SeparationOfDuties) as twice:
        verify(story.evidence(alice, sign(story.statement(ALICE, "service_owner"))), approvers=both)
    assert twice.value.detail == f"{ALICE} reviewed more than once"
