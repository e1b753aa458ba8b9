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
from tests.domain.gate.verifying import GOOD, undo, verify
from tests.domain.story import (
    Story,
    a_plan,
)

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
