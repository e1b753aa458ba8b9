"""A single dissent: a forged one does not count and does not invalidate a real one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from remediation.domain.errors import (
    Digest,
    SeparationOfDuties,
    Signature,
    UnknownApproverKey,
)
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.dissent import verify_review
from remediation.domain.gate.evidence import Evidence, Excluded
from remediation.domain.statement import Decision, Reason, Statement, Verdicts
from tests.domain.story import (
    ALICE,
    BOB,
    EVE,
    KEYS,
    NOW,
    SIGNED,
    Story,
    an_approver,
    approvers,
    sign,
)

NO = {
    "decision": Decision.REJECT,
    "verdicts": Verdicts(False, False, False),
    "reason": Reason("diagnosis_wrong", "That is our own office."),
}


def check(evidence: Evidence, index: int = 0) -> Statement:
    return verify_review(evidence, index, approvers=approvers(), now=NOW)


def test_a_signed_dissent_holds_by_itself() -> None:
    story = Story()
    evidence = story.evidence(sign(story.statement(ALICE, "security", **NO)))
    assert check(evidence).decision is Decision.REJECT


def test_a43_a_forged_dissent_of_alice_does_not_count_and_bobs_still_does() -> None:
    story = Story()
    forged = sign(story.statement(ALICE, "security", **NO), key=KEYS[BOB])
    bobs = sign(story.statement(BOB, "service_owner", **NO))
    evidence = story.evidence(forged, bobs)
    with pytest.raises(UnknownApproverKey):
        check(evidence, 0)
    assert check(evidence, 1).person == BOB


def test_a43_a_dissent_with_another_signature_does_not_count() -> None:
    story = Story()
    review = sign(story.statement(ALICE, "security", **NO))
    broken = replace(review.assertion, signature=b"\x30" + review.assertion.signature[1:-1])
    with pytest.raises(Signature):
        check(story.evidence(replace(review, assertion=broken)))


def test_a_dissent_of_someone_unknown_or_excluded_or_on_another_digest_does_not_count() -> None:
    story = Story()
    with pytest.raises(UnknownApproverKey):
        check(story.evidence(sign(story.statement(EVE, "security", **NO))))
    good = sign(story.statement(ALICE, "security", **NO))
    with pytest.raises(SeparationOfDuties, match="owner"):
        check(story.evidence(good, excluded=(Excluded(ALICE, "owner of the agent"),)))
    with pytest.raises(Digest):
        check(replace(story.evidence(good), pin=story.pin().decode().replace("16400", "1")))


def test_the_key_of_a_dissent_is_valid_from_the_review_to_now_and_both_ends_are_exact() -> None:
    tick = timedelta(microseconds=1)
    story = Story()
    evidence = story.evidence(sign(story.statement(ALICE, "security", **NO)))
    exact = Approvers((an_approver(ALICE, "security", since=SIGNED, until=NOW + tick),))
    assert verify_review(evidence, 0, approvers=exact, now=NOW).person == ALICE
    for since, until in ((SIGNED + tick, None), (SIGNED, NOW)):
        file = Approvers((an_approver(ALICE, "security", since=since, until=until),))
        with pytest.raises(UnknownApproverKey):
            verify_review(evidence, 0, approvers=file, now=NOW)
