"""A signed halt holds only for the exact statement, by a key that may halt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from audit.tlog.canonical import encode
from remediation.domain import b64url
from remediation.domain.errors import (
    BadInput,
    Digest,
    GateRefused,
    SeparationOfDuties,
    Signature,
    UnknownApproverKey,
)
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.signature import Assertion
from remediation.domain.gate.signed_halt import HaltedRun, SignedHalt, verify_halt
from remediation.domain.halt.statement import (
    Found,
    HaltStatement,
    RollbackStep,
    RunDecision,
    rolled_back_steps,
    undone_steps,
)
from remediation.domain.statement import Statement
from tests.domain.halted import OTHER, PLAN, PROPOSAL, RUN, signed, statement
from tests.domain.story import (
    ALICE,
    BOB,
    KEYS,
    NOW,
    ORIGIN,
    RP_ID,
    Story,
    an_approver,
    approvers,
    sign,
)
from tests.every import every

VECTORS = Path(__file__).parents[2] / "vectors"
TICK = timedelta(microseconds=1)


def check(halt: SignedHalt, run: HaltedRun = RUN, known: Approvers | None = None) -> HaltStatement:
    return verify_halt(halt, run, approvers=known or approvers(), now=NOW)


def test_a_signed_undo_lists_every_step_to_undo_last_first() -> None:
    """The last step, too: a run can be undone while that step is confirmed, or when it stopped."""
    found = check(signed(statement()))
    assert [step.step for step in found.takes_back] == [2, 1, 0]
    assert found.takes_back[0] == RollbackStep(2, "postgres.role:crm/c", "postgres.role.enable")
    assert HaltStatement.parse(found.body()) == found


@every("decision", [RunDecision.KEEP, RunDecision.SETTLE])
def test_a_statement_that_keeps_names_no_step_to_undo(decision: RunDecision) -> None:
    found = check(signed(statement(decision=decision)))
    assert (found.decision, found.takes_back) == (decision, ())
    with pytest.raises(Digest):
        check(signed(statement(decision=decision, takes_back=undone_steps(PLAN))))


def test_a_halt_of_version_1_still_holds_and_means_that_it_rolled_back() -> None:
    found = check(signed(statement(decision=RunDecision.HALT)))
    assert [step.step for step in found.takes_back] == [1, 0]
    assert found.decision.undoes and found.decision.halts
    with pytest.raises(Digest):
        check(signed(statement(decision=RunDecision.HALT, takes_back=undone_steps(PLAN))))
    with pytest.raises(Digest):
        check(signed(statement(takes_back=rolled_back_steps(PLAN))))


def test_what_is_signed_as_a_keep_is_no_undo() -> None:
    """The row of the database says undo; the passkey signed that it stays."""
    kept = statement(decision=RunDecision.KEEP)
    for other in ("undo", "settle", "halt", ""):
        with pytest.raises(Signature, match="another decision was signed"):
            check(signed(kept, decision=other))
    steps = [step.to_json() for step in undone_steps(PLAN)]
    undone = json.loads(kept.body()) | {"decision": "undo", "takes_back": steps}
    with pytest.raises(Signature):
        check(signed(kept, decision="undo", statement=encode(undone)))


@every(
    "change",
    [
        {"decision": "halt"},
        {"decision": "resume"},
        {"type": "hitlportal-halt/v1"},
        {"type": "hitlportal-halt/v3"},
        {"found": "applied"},
        {"found": "seen"},
        {"found": None},
        {"also": ""},
    ],
)
def test_a_statement_of_another_form_is_not_read(change: dict[str, object]) -> None:
    body = json.loads(statement(decision=RunDecision.KEEP).body())
    with pytest.raises(BadInput):
        HaltStatement.parse(encode(body | change))


def test_the_two_versions_do_not_mix() -> None:
    old = json.loads(statement(decision=RunDecision.HALT).body())
    assert "found" not in old
    for change in ({"found": ""}, {"decision": "undo"}, {"type": "hitlportal-halt/v2"}):
        with pytest.raises(BadInput):
            HaltStatement.parse(encode(old | change))


def test_only_a_settlement_says_what_was_found() -> None:
    for found in Found:
        said = statement(decision=RunDecision.SETTLE, found=found)
        assert HaltStatement.parse(said.body()).found is found


@every(
    ("make", "refusal"),
    [
        (lambda: signed(statement(proposal=OTHER)), Signature),
        (lambda: signed(statement(round=2)), Signature),
        (lambda: signed(statement(), person=BOB), Signature),
        (lambda: signed(statement(), reason="Another reason, which nobody signed."), Signature),
        (lambda: signed(statement(expires=NOW - timedelta(seconds=1))), Signature),
        (lambda: signed(statement(plan="0" * 64)), Digest),
        (lambda: signed(statement(takes_back=())), Digest),
        (lambda: signed(statement(takes_back=tuple(reversed(undone_steps(PLAN))))), Digest),
        (lambda: signed(statement(origin="https://evil.example")), Signature),
        (lambda: signed(statement(rp_id="evil.example")), Signature),
        (lambda: signed(statement(), key=BOB), UnknownApproverKey),
        (lambda: signed(statement(), statement=b"{}"), Signature),
        (lambda: signed(statement(), statement=b""), Signature),
        (lambda: signed(statement(), statement=statement(nonce="1" * 32).body()), Signature),
        (lambda: signed(statement(), assertion=Assertion(b"", b"", b"", b"")), UnknownApproverKey),
    ],
)  # fmt: skip
def test_a_changed_statement_does_not_hold(
    make: Callable[[], SignedHalt], refusal: type[GateRefused]
) -> None:
    with pytest.raises(refusal):
        check(make())


CREDENTIAL = b64url.encode(KEYS[ALICE].credential_id)
TWICE = {ALICE: ("edited the plan", "owner of the agent")}


@every(
    ("halt", "run", "said"),
    [
        (
            signed(statement(), statement=b"{}"), RUN,
            f"{ALICE}: the statement cannot be read: ",
        ),
        (
            signed(statement(round=2)), RUN,
            f"{ALICE}: the statement is about {(PROPOSAL, 2, ALICE)}, not {(PROPOSAL, 1, ALICE)}",
        ),
        (
            signed(statement(), reason="Another reason, which nobody signed."), RUN,
            f"{ALICE}: another reason was signed",
        ),
        (
            signed(statement(expires=NOW - TICK)), RUN,
            f"{ALICE}: the statement had expired when it was recorded",
        ),
        (
            signed(statement(takes_back=())), RUN,
            f"{ALICE} signed to take back something else than this plan's steps",
        ),
        (
            signed(statement()), replace(RUN, slots=()),
            f"{ALICE} is not in the file for halting this",
        ),
        (
            signed(statement()), replace(RUN, excluded=TWICE),
            f"{ALICE}: edited the plan; owner of the agent",
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_the_person_and_the_reason(
    halt: SignedHalt, run: HaltedRun, said: str
) -> None:
    """The refusal is recorded and sent to the lead."""
    with pytest.raises(GateRefused) as refused:
        check(halt, run)
    assert refused.value.detail.startswith(said)


def test_a_refused_key_is_named_by_the_start_of_its_credential() -> None:
    assert len(CREDENTIAL) > 24
    with pytest.raises(UnknownApproverKey) as refused:
        check(signed(statement()), known=Approvers(()))
    assert refused.value.detail == f"{ALICE} with credential {CREDENTIAL[:24]}"


@pytest.mark.parametrize("part", ["authenticator_data", "client_data_json", "signature"])
def test_a_broken_assertion_is_a_signature_that_does_not_hold(part: str) -> None:
    halt = signed(statement())
    for raw in (b"", b"\x00", getattr(halt.assertion, part)[:-1]):
        broken = replace(halt, assertion=replace(halt.assertion, **{part: raw}))
        with pytest.raises(Signature):
            check(broken)


def test_a_key_that_is_not_in_the_file_now_cannot_halt() -> None:
    halt = signed(statement())
    with pytest.raises(UnknownApproverKey):
        check(halt, known=Approvers(()))
    for ended in (NOW - timedelta(days=1), NOW):
        known = Approvers(tuple(replace(e, until=ended) for e in approvers().entries))
        with pytest.raises(UnknownApproverKey):
            check(halt, known=known)


def alice_from(since: datetime, until: datetime | None = None) -> Approvers:
    return Approvers((an_approver(ALICE, "security", since=since, until=until),))


def test_the_key_must_be_valid_at_the_halt_and_now_and_both_ends_are_exact() -> None:
    halted_at = NOW - timedelta(minutes=1)
    halt = signed(statement(), recorded_at=halted_at)
    assert check(halt, known=alice_from(halted_at, NOW + TICK))
    only_at_the_halt = alice_from(halted_at, NOW)
    only_now = alice_from(halted_at + TICK)
    neither = alice_from(halted_at + TICK, NOW)
    for known in (only_at_the_halt, only_now, neither):
        with pytest.raises(UnknownApproverKey, match="with credential"):
            check(halt, known=known)


def test_a_statement_that_expires_when_it_is_recorded_still_halts() -> None:
    assert check(signed(statement(expires=NOW)))
    with pytest.raises(Signature, match="had expired"):
        check(signed(statement(expires=NOW - TICK)))


PLACES = [
    {"rp_id": "evil.example"},
    {"origin": "https://evil.example"},
    {"rp_id": "evil.example", "origin": "https://evil.example"},
]


@every("place", PLACES)
def test_a_statement_for_another_relying_party_or_origin_does_not_halt(
    place: dict[str, str],
) -> None:
    """The passkey was used at the right place, but the signed statement names another."""
    elsewhere = statement(**place)
    made = KEYS[ALICE].assertion(elsewhere.challenge(), RP_ID, ORIGIN)
    with pytest.raises(Signature, match="another relying party or origin"):
        check(signed(elsewhere, assertion=made))


@every("place", PLACES)
def test_a_passkey_used_at_another_relying_party_or_origin_does_not_halt(
    place: dict[str, str],
) -> None:
    """The signed statement names the right place, but the passkey was used at another."""
    used_at = {"rp_id": RP_ID, "origin": ORIGIN} | place
    made = KEYS[ALICE].assertion(statement().challenge(), **used_at)
    with pytest.raises(Signature, match=r"the (relying party|origin) is another one"):
        check(signed(statement(), assertion=made))


@every("place", PLACES)
def test_a_key_that_is_in_the_file_for_another_place_does_not_halt(place: dict[str, str]) -> None:
    known = Approvers((an_approver(ALICE, "security", **place),))
    with pytest.raises(Signature, match="another relying party or origin"):
        check(signed(statement()), known=known)


def test_a_key_of_another_role_cannot_halt_and_a_leads_key_can() -> None:
    halt = signed(statement())
    owners = replace(RUN, slots=("service_owner",))
    with pytest.raises(UnknownApproverKey):
        check(halt, owners)
    leads = Approvers(tuple(replace(e, roles=("lead",)) for e in approvers().entries))
    assert check(halt, owners, leads)
    # A lead's key fills no slot.
    assert not any(e.may_fill(slot) for e in leads.entries for slot in ("any", "security"))


def test_a11_an_excluded_person_cannot_halt() -> None:
    run = replace(RUN, excluded={ALICE: ("edited the plan",)})
    with pytest.raises(SeparationOfDuties):
        check(signed(statement()), run)


def test_an_approval_is_no_halt_and_a_halt_is_no_approval() -> None:
    """Types and digest domains differ: neither statement reads as the other, and the
    signature of one does not verify for the other."""
    story = Story()
    approval = story.statement(ALICE, "security")
    review = sign(approval)
    with pytest.raises(Signature):
        check(signed(statement(), statement=approval.body(), assertion=review.assertion))
    with pytest.raises(Signature):
        check(signed(statement(), assertion=review.assertion))
    with pytest.raises(BadInput):
        Statement.parse(statement().body())
    with pytest.raises(BadInput):
        HaltStatement.parse(approval.body())
    # The very same bytes have another challenge in each domain.
    body = statement().body()
    from remediation.domain.digest import Kind, digest

    assert digest(Kind.HALT, body) != digest(Kind.STATEMENT, body)


@every(
    ("name", "decision"),
    [
        ("halt", "halt"),
        ("halt_v2_keep", "keep"),
        ("halt_v2_undo", "undo"),
        ("halt_v2_settle", "settle"),
    ],
)
def test_the_stored_statements_still_hold(name: str, decision: str) -> None:
    """Reads statement, digest and assertion of the vectors: old signatures must verify."""
    stored = json.loads((VECTORS / f"{name}.json").read_bytes())
    body = stored["statement"].encode()
    assert HaltStatement.parse(body).digest == stored["digest"]
    made = Assertion.from_json(stored["assertion"])
    assert check(SignedHalt(ALICE, decision, HaltStatement.parse(body).reason, body, made, NOW))
