"""The gate for a plan of a person: that person's role counts, not the state of the agent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain.errors import GateAgentDisabled, GateProposerLost, SeparationOfDuties
from remediation.domain.gate.evidence import AgentEvidence, Evidence, PersonEvidence
from tests.domain.gate.verifying import GOOD, verify
from tests.domain.story import Story

LENA = PersonEvidence("1e0a0000-0000-4000-8000-000000000006", True, ("lead",))
SUSPENDED = AgentEvidence("a", False)


def planned(planner: PersonEvidence = LENA) -> Evidence:
    return Story(version=2).evidence(agent=SUSPENDED, planner=planner)


@pytest.mark.parametrize("role", ["lead", "security", "service_owner"])
def test_a_plan_needs_its_planner_and_not_the_agent(role: str) -> None:
    assert verify(planned(replace(LENA, roles=(role,)))).step == 0


@pytest.mark.parametrize(
    "planner",
    [
        replace(LENA, active=False),
        replace(LENA, roles=()),
        replace(LENA, roles=("auditor", "user_admin")),
    ],
)
def test_the_planner_must_be_active_and_hold_a_role(planner: PersonEvidence) -> None:
    with pytest.raises(GateProposerLost):
        verify(planned(planner))


def test_without_a_planner_the_agent_must_be_enabled() -> None:
    """The control: the same evidence as an agent's proposal is refused."""
    with pytest.raises(GateAgentDisabled):
        verify(replace(planned(), planner=None))


def test_a11_the_gate_refuses_an_approval_by_the_planner() -> None:
    good = Story(version=2).evidence()
    first = good.reviews[0].person
    with pytest.raises(SeparationOfDuties, match="proposed it"):
        verify(replace(good, planner=replace(LENA, person=first)))
    assert verify(good).step == 0  # the control: the same reviews without a planner


def test_evidence_with_a_planner_is_read_again_and_evidence_without_one_is_as_before() -> None:
    assert Evidence.parse(planned().dump()) == planned()
    assert b'"planner"' not in GOOD.dump()
