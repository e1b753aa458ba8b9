"""Step 3 of the gate: whose signatures count, and over what."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from remediation.domain.errors import (
    Signature,
    UnknownApproverKey,
)
from remediation.domain.gate import steps
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.case import Case
from remediation.domain.gate.steps import people
from tests.domain.gate.verifying import GOOD, verify
from tests.domain.story import (
    ALICE,
    APPROVED,
    ASSESSED,
    BOB,
    EVE,
    KEYS,
    NOW,
    ORIGIN,
    RP_ID,
    SIGNED,
    Story,
    an_approver,
    sign,
)


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
def test_the_key_must_be_in_the_file_then_and_now_and_for_the_role(
    changes: dict[str, Any],
) -> None:
    file = Approvers((an_approver(ALICE, "security", **changes), an_approver(BOB, "service_owner")))
    with pytest.raises(UnknownApproverKey):
        verify(GOOD, approvers=file)


def test_a20_an_assertion_is_not_replayed_for_another_round() -> None:
    """Same plan, same people, next round: statements of the first round do not count."""
    with pytest.raises(Signature, match="not"):
        verify(replace(GOOD, round=2))


def test_a20_an_assertion_is_not_replayed_for_another_proposal() -> None:
    with pytest.raises(Signature):
        verify(replace(GOOD, proposal_id=EVE))


def test_entries_of_another_relying_party_or_origin_than_the_callers_do_not_count() -> None:
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
    """The passkey was used at the right origin, but the signed statement names another."""
    story = Story()
    statement = story.statement(ALICE, "security", **changes)
    assertion = KEYS[ALICE].assertion(statement.challenge(), RP_ID, ORIGIN)
    review = replace(sign(statement), assertion=assertion)
    with pytest.raises(Signature, match="another relying party or origin"):
        verify(story.evidence(review, sign(story.statement(BOB, "service_owner"))))


@pytest.mark.parametrize(
    ("recorded_at", "why"),
    [
        (SIGNED - timedelta(seconds=6), "before the statement could be signed"),
        (SIGNED - timedelta(days=30), "before the statement could be signed"),
        (SIGNED + timedelta(minutes=5, seconds=1), "had expired"),
        (APPROVED + timedelta(microseconds=1), "after the approval"),
    ],
)
def test_the_time_of_recording_is_bound_by_what_was_signed(recorded_at: datetime, why: str) -> None:
    """Nobody signs it, and an evidence file could move it to when a removed key was still valid."""
    story = Story()
    first = sign(story.statement(ALICE, "security"), recorded_at=recorded_at)
    with pytest.raises(Signature, match=why):
        verify(story.evidence(first, sign(story.statement(BOB, "service_owner"))))


def test_a_time_within_the_signed_window_counts() -> None:
    story = Story()
    for recorded_at in (SIGNED - timedelta(seconds=5), APPROVED):
        first = sign(story.statement(ALICE, "security"), recorded_at=recorded_at)
        assert verify(story.evidence(first, sign(story.statement(BOB, "service_owner"))))


def test_a_key_that_was_removed_is_not_brought_back_by_an_earlier_time() -> None:
    """The control: with the window taken away, the moved time counts."""
    story = Story()
    removed = Approvers(
        (
            an_approver(ALICE, "security", until=SIGNED - timedelta(hours=1)),
            an_approver(BOB, "service_owner"),
        )
    )
    moved = sign(story.statement(ALICE, "security"), recorded_at=SIGNED - timedelta(hours=2))
    given = story.evidence(moved, sign(story.statement(BOB, "service_owner")))
    statement = story.statement(ALICE, "security")
    case = Case(given, removed, NOW, None, None, frozenset(), True)
    with pytest.raises(Signature, match="before the statement"):
        steps.signature(case, moved, statement, (moved.recorded_at,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "LIFE", timedelta(days=1))
        steps.signature(case, moved, statement, (moved.recorded_at,))
