"""The gate for a reversal: it asks who proposed it and compares it with the inverse plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain.errors import (
    Digest,
    GateAgentDisabled,
    GateProposerLost,
)
from remediation.domain.gate.evidence import (
    AgentEvidence,
    Evidence,
    PersonEvidence,
    ReversalEvidence,
)
from tests.domain.gate.verifying import GOOD, roll_back, verify
from tests.domain.story import (
    Story,
    a_plan,
)

LENA = PersonEvidence("1e0a0000-0000-4000-8000-000000000006", True, ("lead",))
SUSPENDED = AgentEvidence("a", False)


def undoing(proposer: PersonEvidence = LENA, digest: str = "") -> Evidence:
    """Return evidence of a reversal: a person proposes the inverse of a suspended agent's plan."""
    of = "01d00000-0000-4000-8000-000000000007"
    said = ReversalEvidence(of, digest or Story().plan.digest, proposer)
    return Story().evidence(agent=SUSPENDED, reversal=said)


@pytest.mark.parametrize("role", ["lead", "security", "service_owner"])
def test_a_reversal_needs_its_proposer_and_not_the_runs_agent(role: str) -> None:
    assert verify(undoing(replace(LENA, roles=(role,)))).step == 0


@pytest.mark.parametrize(
    "proposer",
    [
        replace(LENA, active=False),
        replace(LENA, roles=()),
        replace(LENA, roles=("auditor", "user_admin")),
    ],
)
def test_the_proposer_of_a_reversal_must_be_active_and_hold_a_role(
    proposer: PersonEvidence,
) -> None:
    with pytest.raises(GateProposerLost):
        verify(undoing(proposer))


@pytest.mark.parametrize("digest", ["0" * 64, "x", a_plan(environment="staging").digest])
def test_a_reversal_must_carry_exactly_the_inverse_plan(digest: str) -> None:
    """An attacker could label another plan a reversal to avoid the check of its agent."""
    with pytest.raises(Digest, match="not the inverse"):
        verify(undoing(digest=digest))


def test_a_reversal_of_a_run_without_an_inverse_plan_is_refused() -> None:
    given_ = undoing()
    assert given_.reversal is not None
    with pytest.raises(Digest):
        verify(replace(given_, reversal=replace(given_.reversal, plan="")))


def test_without_a_reversal_the_agent_must_be_enabled() -> None:
    with pytest.raises(GateAgentDisabled):
        verify(replace(undoing(), reversal=None))


def test_a_rollback_within_a_reversal_needs_no_proposer() -> None:
    """Applied steps are rolled back even when the person is gone by then."""
    gone = replace(undoing(replace(LENA, active=False)), applied=(0,))
    assert roll_back(gone).rollback


def test_evidence_with_and_without_a_reversal_reads_back() -> None:
    for given_ in (undoing(), GOOD):
        assert Evidence.parse(given_.dump()) == given_
    assert b"reversal" not in GOOD.dump()
