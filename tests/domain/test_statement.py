"""The statement: every field is signed, and a decision must follow from its verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.digest import Digests, Kind, digest
from remediation.domain.errors import BadInput, ReasonRequired, VerdictsDisagree
from remediation.domain.statement import (
    REJECT_REASONS,
    RETURN_REASONS,
    Decision,
    Reason,
    Statement,
    Verdicts,
)
from tests.domain.story import ALICE, BOB, Story
from tests.every import every

STATEMENT = Story().statement(ALICE, "security")
REASON = {
    Decision.APPROVE: Reason("", ""),
    Decision.REJECT: Reason("diagnosis_wrong", "That address is our own office."),
    Decision.RETURN: Reason("evidence_missing", "Please add the login records."),
}


def test_a_statement_reads_back_from_its_bytes() -> None:
    assert Statement.parse(STATEMENT.body()) == STATEMENT


def test_the_challenge_is_the_digest_of_the_bytes() -> None:
    assert STATEMENT.challenge().hex() == digest(Kind.STATEMENT, STATEMENT.body())
    assert len(STATEMENT.challenge()) == 32


def other(value: Any) -> Any:
    match value:
        case Digests():
            return replace(value, pin="0" * 64)
        case Verdicts():
            return Verdicts(True, True, False)
        case Reason():
            return Reason("other", "x")
        case Decision():
            return Decision.REJECT
        case int():
            return value + 1
        case str():
            return value + "0"
        case _:
            return value + timedelta(seconds=1)


@every("name", Statement.__dataclass_fields__)
def test_every_field_changes_the_challenge(name: str) -> None:
    changed = replace(STATEMENT, **{name: other(getattr(STATEMENT, name))})
    assert changed.challenge() != STATEMENT.challenge()


@every("name", Digests.__dataclass_fields__)
def test_every_digest_changes_the_challenge(name: str) -> None:
    changed = replace(STATEMENT.digests, **{name: "0" * 64})
    assert replace(STATEMENT, digests=changed).challenge() != STATEMENT.challenge()


@every(("decision", "verdicts"), list(product(Decision, product((True, False), repeat=3))))
def test_the_decision_must_follow_from_the_verdicts(
    decision: Decision, verdicts: tuple[bool, bool, bool]
) -> None:
    statement = replace(
        STATEMENT, decision=decision, verdicts=Verdicts(*verdicts), reason=REASON[decision]
    )
    diagnosis, scope, action = verdicts
    agrees = not action or (diagnosis and scope)
    if decision is Decision.APPROVE:
        agrees = all(verdicts)
    if agrees:
        statement.check_consistent()
    else:
        with pytest.raises(VerdictsDisagree):
            statement.check_consistent()


@every("decision", [Decision.REJECT, Decision.RETURN])
@every(
    "reason",
    [
        Reason("", "A long enough text."),
        Reason("no_such_code", "A long enough text."),
        Reason("other", ""),
        Reason("other", "too short"),
        Reason("other", "         x         "),
    ],
)
def test_reject_and_return_need_a_listed_reason_and_ten_characters(
    decision: Decision, reason: Reason
) -> None:
    statement = replace(
        STATEMENT, decision=decision, verdicts=Verdicts(True, False, False), reason=reason
    )
    with pytest.raises(ReasonRequired):
        statement.check_consistent()


def test_reasons_belong_to_their_decision() -> None:
    for decision, codes in (
        (Decision.REJECT, set(RETURN_REASONS) - set(REJECT_REASONS)),
        (Decision.RETURN, set(REJECT_REASONS) - set(RETURN_REASONS)),
        (Decision.APPROVE, set(REJECT_REASONS)),
    ):
        for code in codes:
            statement = replace(
                STATEMENT, decision=decision, reason=Reason(code, "A long enough text.")
            )
            with pytest.raises(ReasonRequired):
                statement.check_consistent()


@every(
    ("name", "value"),
    [
        ("type", "hitlportal-review/v2"), ("proposal", "x"), ("proposal", ALICE.upper()),
        ("round", 0), ("round", "1"), ("plan", "x"), ("checks", "A" * 64), ("decision", "maybe"),
        ("verdicts", {"diagnosis": "yes", "scope": "yes"}),
        ("verdicts", {"diagnosis": True, "scope": "yes", "action": "yes"}),
        ("reason", {"code": ""}), ("reason", {"code": "", "text": "x" * 4_001}),
        ("slot", "auditor"), ("slot", "service_owner:0"), ("person", "alice"), ("nonce", "short"),
        ("expires", "soon"),
        ("rp_id", ""), ("origin", ""), ("more", 1),
    ],
)  # fmt: skip
def test_another_shape_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadInput):
        Statement.from_json(STATEMENT.to_json() | {name: value})


def test_bytes_that_are_not_canonical_are_refused() -> None:
    body = STATEMENT.body()
    for broken in (body + b" ", json.dumps(json.loads(body)).encode(), b"{}", b"", b"\xff"):
        with pytest.raises(BadInput):
            Statement.parse(broken)


BODY = STATEMENT.body()


@given(st.integers(0, len(BODY) - 1), st.binary(max_size=3))
def test_only_named_refusals_escape_and_no_changed_byte_keeps_the_challenge(
    at: int, new: bytes
) -> None:
    changed = BODY[:at] + new + BODY[at + 1 :]
    try:
        statement = Statement.parse(changed)
    except BadInput:
        return
    assert statement.body() == changed
    assert (statement.challenge() == STATEMENT.challenge()) == (changed == BODY)


def test_two_people_never_share_a_statement() -> None:
    other_person = replace(STATEMENT, person=BOB)
    assert other_person.challenge() != STATEMENT.challenge()
