"""Step 3 of the gate: whose signatures count, and over what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediation.domain.errors import (
    Signature,
    UnknownApproverKey,
)
from remediation.domain.gate.approvers import Approvers
from tests.domain.gate.verifying import GOOD, verify
from tests.domain.story import (
    ALICE,
    ASSESSED,
    BOB,
    EVE,
    KEYS,
    NOW,
    ORIGIN,
    RP_ID,
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
