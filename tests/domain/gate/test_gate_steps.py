"""The gate for the second step of a plan, and for rolling back a step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import (
    Digest,
    Drift,
    Frozen,
    Quorum,
    Signature,
    UnknownApproverKey,
)
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import (
    AgentEvidence,
)
from tests.domain.gate.verifying import GOOD, roll_back, two_steps, verify
from tests.domain.story import (
    ALICE,
    APPROVED,
    BOB,
    NOW,
    Story,
    an_approver,
    sign,
)

# --- a plan of two steps


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


# --- rolling back


APPLIED = replace(GOOD, applied=(0,))


def test_an_applied_step_may_be_rolled_back_after_deadline_freeze_and_lost_reviewers() -> None:
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
    clearance = roll_back(after)
    assert (clearance.rollback, clearance.step) == (True, 0)
    assert "undo step 0" in repr(clearance)
    removed = an_approver(ALICE, "security", until=NOW)
    roll_back(after, approvers=Approvers((removed, an_approver(BOB, "service_owner"))))


def test_a_step_that_was_not_applied_is_not_rolled_back() -> None:
    with pytest.raises(Digest, match="not applied"):
        roll_back(GOOD)


def test_a_step_that_was_never_approved_is_not_rolled_back() -> None:
    story = Story()
    with pytest.raises(Quorum):
        roll_back(replace(APPLIED, reviews=(sign(story.statement(ALICE, "security")),)))
    with pytest.raises(UnknownApproverKey):
        roll_back(APPLIED, approvers=Approvers(()))
    with pytest.raises(Digest):
        roll_back(replace(APPLIED, pin=GOOD.pin.replace("16400", "16401")))
    with pytest.raises(Signature):
        roll_back(replace(APPLIED, round=2))


def test_a_step_that_was_approved_without_a_rollback_is_not_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No such action exists yet, so the catalogue is changed for this test."""
    kind = "postgres.role.disable"
    final = replace(ACTIONS[kind].earlier[0], rollback=None, reversible=False)
    for module in ("plan", "step"):
        monkeypatch.setattr(f"remediation.domain.{module}.ACTIONS", {**ACTIONS, kind: final})
    applied = replace(Story().evidence(), applied=(0,))
    with pytest.raises(Digest, match="no rollback"):
        roll_back(applied)
