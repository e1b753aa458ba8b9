"""A clearance to settle what a crashed delivery left staged: it lets nothing be applied."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediation.domain.errors import Digest, Frozen, Quorum
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import WAITING, Evidence
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import ClearanceRefused
from remediation.executors.run import _refuse_other_use
from tests.domain.story import APPROVED, approvers
from tests.domain.waited import rotation_story, rule, waited

STORY = rule(rotation_story())
LATE = APPROVED + timedelta(days=1)


def open_call(**changes: Any) -> Evidence:
    """The first step, which delivers, has no result; its time to run has passed."""
    usual = {"type": WAITING, "database_now": LATE, "worker_now": LATE, "observations": ()}
    return STORY.evidence(**{**usual, **changes})


def settle(evidence: Evidence) -> Clearance:
    return gate.verify_settling(
        evidence, approvers=approvers(), now=evidence.database_now, monotonic=5.0, allow_test=True
    )


def test_what_was_approved_is_settled_after_its_time_and_without_its_reviewers() -> None:
    found = settle(open_call(people=()))
    assert (found.settles, found.rollback, found.step) == (True, False, 0)
    assert "settle step 0" in repr(found)


def test_nothing_is_settled_while_all_is_frozen() -> None:
    with pytest.raises(Frozen):
        settle(open_call(frozen="everything"))


def test_what_was_not_approved_is_not_settled() -> None:
    with pytest.raises(Quorum):
        settle(replace(open_call(), reviews=open_call().reviews[:1]))


def test_a_step_that_delivers_nothing_or_has_a_result_is_not_settled() -> None:
    for other in (waited(), open_call(applied=(0,))):
        with pytest.raises(Digest, match="no open call"):
            settle(other)


def test_a_clearance_to_settle_applies_and_rolls_back_nothing() -> None:
    found = settle(open_call())
    for rollback in (False, True):
        with pytest.raises(ClearanceRefused, match="to settle"):
            _refuse_other_use(found, rollback, settling=False)
