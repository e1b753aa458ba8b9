"""The gate's time limits: what it clears exactly at a limit, and what a microsecond later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from remediation.domain.errors import ClockSkew, Signature, UnknownApproverKey
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import Evidence
from tests.domain.gate.verifying import GOOD, roll_back, verify
from tests.domain.story import (
    ALICE,
    BOB,
    NOW,
    SIGNED,
    Story,
    an_approver,
    sign,
)
from tests.every import every

TICK = timedelta(microseconds=1)
SKEW = timedelta(seconds=2)
APPLIED = replace(GOOD, applied=(0,))


def signed_until(expires: datetime) -> Evidence:
    """Return good evidence in which alice's statement expires then."""
    story = Story()
    return story.evidence(
        sign(story.statement(ALICE, "security", expires=expires)),
        sign(story.statement(BOB, "service_owner")),
    )


def alice_from(since: datetime, until: datetime | None = None) -> Approvers:
    """Return the approvers file in which alice's key is valid for this time only."""
    alice = an_approver(ALICE, "security", since=since, until=until)
    return Approvers((alice, an_approver(BOB, "service_owner")))


def test_a_statement_that_expires_when_it_is_recorded_still_holds() -> None:
    verify(signed_until(SIGNED))
    with pytest.raises(Signature, match="had expired"):
        verify(signed_until(SIGNED - TICK))


def test_a_statement_that_expired_before_it_was_recorded_rolls_nothing_back() -> None:
    roll_back(replace(signed_until(SIGNED), applied=(0,)))
    with pytest.raises(Signature, match="had expired"):
        roll_back(replace(signed_until(SIGNED - TICK), applied=(0,)))


def test_a_key_is_valid_from_the_review_to_now_and_both_ends_are_exact() -> None:
    verify(GOOD, approvers=alice_from(SIGNED, NOW + TICK))
    for file in (alice_from(SIGNED + TICK), alice_from(SIGNED, NOW), alice_from(NOW)):
        with pytest.raises(UnknownApproverKey, match=ALICE):
            verify(GOOD, approvers=file)


def test_a_rollback_needs_a_key_that_was_valid_at_the_review_and_both_ends_are_exact() -> None:
    roll_back(APPLIED, approvers=alice_from(SIGNED, SIGNED + TICK))
    for file in (alice_from(SIGNED + TICK), alice_from(SIGNED - TICK, SIGNED)):
        with pytest.raises(UnknownApproverKey, match=ALICE):
            roll_back(APPLIED, approvers=file)


@every("skew", [SKEW, -SKEW])
def test_the_clock_of_the_call_may_differ_from_the_workers_by_two_seconds(skew: timedelta) -> None:
    given = replace(GOOD, worker_now=NOW)
    verify(given, now=NOW + skew)
    with pytest.raises(ClockSkew):
        verify(given, now=NOW + skew + (TICK if skew > timedelta() else -TICK))


@every("skew", [SKEW, -SKEW])
def test_the_clock_of_the_evidence_may_differ_from_the_workers_by_two_seconds(
    skew: timedelta,
) -> None:
    given = replace(GOOD, worker_now=NOW)
    verify(replace(given, database_now=NOW + skew), now=NOW)
    with pytest.raises(ClockSkew):
        beyond = NOW + skew + (TICK if skew > timedelta() else -TICK)
        verify(replace(given, database_now=beyond), now=NOW)


def test_an_approval_may_lie_ahead_by_two_seconds_and_no_more() -> None:
    verify(replace(GOOD, approved_at=NOW + SKEW))
    with pytest.raises(ClockSkew, match="future"):
        verify(replace(GOOD, approved_at=NOW + SKEW + TICK))
