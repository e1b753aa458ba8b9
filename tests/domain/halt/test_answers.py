"""Answers to a wait (statement v3): go on, or wait longer, over exactly what the page showed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import encode
from audit.tlog.incident import Entry
from remediation.domain.errors import BadInput, Digest, GateRefused, Signature
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.signed_halt import HaltedRun, SignedHalt, verify_halt
from remediation.domain.halt.statement import (
    V3,
    HaltStatement,
    RunDecision,
    seen_digest,
)
from remediation.domain.plan import load
from remediation.management.signed_record import Trust, signed_halt
from tests.domain import record
from tests.domain.story import ALICE, BOB, EVE, ORIGIN, PROPOSAL, RP_ID, an_approver, approvers
from tests.domain.waited import (
    LOOKED,
    NOW,
    RECORD,
    a_rotation,
    answer,
    answer_statement,
    says,
    sighting,
)
from tests.every import every

VECTORS = Path(__file__).parents[2] / "vectors"
PLAN = a_rotation()
US = timedelta(microseconds=1)
RUN = HaltedRun(
    proposal=PROPOSAL,
    round=1,
    plan=PLAN,
    slots=("security", "service_owner"),
    excluded={EVE: ["owner of the agent"]},
    waiting=0,
    conditions=("consumers_moved",),
)
GO_ON, LONGER = RunDecision.GO_ON, RunDecision.LONGER


def check(
    said: SignedHalt, run: HaltedRun = RUN, known: Approvers | None = None, at: datetime = NOW
) -> HaltStatement:
    return verify_halt(said, run, approvers=known or approvers(), now=at)


@every("decision", [GO_ON, LONGER])
def test_an_answer_holds_and_reads_back(decision: RunDecision) -> None:
    found = check(says(PLAN, decision=decision))
    assert (found.type, found.decision, found.takes_back) == (V3, decision, ())
    assert HaltStatement.parse(found.body()) == found
    assert not (found.decision.halts or found.decision.undoes)
    said = says(PLAN, decision=decision)
    assert SignedHalt.from_json(said.to_json()) == said


def test_only_answers_are_about_waiting() -> None:
    assert [one for one in RunDecision if one.waits] == [GO_ON, LONGER]
    assert [one for one in RunDecision if one.halts] == ["halt", "keep", "undo"]


def test_what_was_shown_is_in_the_digest() -> None:
    usual = seen_digest((sighting(),), RECORD)
    assert usual != seen_digest((), RECORD)
    assert usual != seen_digest((sighting(),), {})
    assert usual != seen_digest((sighting(consumers=()),), RECORD)
    assert usual == seen_digest([sighting()], dict(RECORD))


@every(
    ("run", "error"),
    [
        ({"waiting": None}, Signature),
        ({"waiting": 1}, Signature),
        ({"round": 2}, Signature),
        ({"proposal": "0f0f0f0f-0000-4000-8000-000000000009"}, Signature),
        ({"plan": a_rotation(person=True)}, Digest),
        ({"excluded": {ALICE: ["x"]}}, GateRefused),
        ({"slots": ("lead",)}, GateRefused),
        ({"slots": ()}, GateRefused),
    ],
)
def test_an_answer_is_about_one_wait_of_one_run(run: dict[str, Any], error: type) -> None:
    check(says(PLAN))
    with pytest.raises(error):
        check(says(PLAN), replace(RUN, **run))


def test_a_condition_that_the_wait_does_not_have_cannot_be_waived() -> None:
    said = says(PLAN, unmet=("consumers_moved",))
    assert check(said).unmet == ("consumers_moved",)
    with pytest.raises(Digest):
        check(said, replace(RUN, conditions=("old_quiet",)))
    with pytest.raises(Digest):
        check(said, replace(RUN, conditions=()))


def test_another_page_than_the_recorded_one_is_refused() -> None:
    for shown in ({"sightings": ()}, {"record": {}}, {"sightings": (sighting(at=NOW),)}):
        with pytest.raises(Digest):
            check(replace(says(PLAN), **shown))


def test_a_lead_may_wait_longer_and_not_go_on() -> None:
    run = replace(RUN, excluded={})
    known = Approvers((*approvers().entries, an_approver(EVE, "lead")))
    check(says(PLAN, EVE, LONGER), run, known)
    with pytest.raises(GateRefused) as refused:
        check(says(PLAN, EVE, GO_ON), run, known)
    assert refused.value.name == "unknown_approver_key"
    check(says(PLAN, EVE, GO_ON), replace(run, slots=("lead",)), known)


def test_any_slot_of_the_ruling_is_enough() -> None:
    for person in (ALICE, BOB):
        check(says(PLAN, person))
    with pytest.raises(GateRefused):
        check(says(PLAN, BOB), replace(RUN, slots=("security",)))
    check(says(PLAN, BOB), replace(RUN, slots=("any",)))


def test_an_answer_ends_with_its_statement() -> None:
    check(answer(answer_statement(plan=PLAN.digest, expires=LOOKED)))
    with pytest.raises(Signature):
        check(answer(answer_statement(plan=PLAN.digest, expires=LOOKED - US)))


def body(about: RunDecision = GO_ON, /, **changes: Any) -> bytes:
    value = answer_statement(decision=about, plan=PLAN.digest).to_json()
    return encode({**value, **changes})


@every(
    "raw",
    [
        body(type="hitlportal-halt/v2"),
        body(type="hitlportal-halt/v1"),
        body(type="hitlportal-halt/v4"),
        body(decision="keep"),
        body(decision="undo"),
        body(step=-1),
        body(step=16),
        body(step=True),
        body(seen="0" * 63),
        body(unmet="consumers_moved"),
        body(unmet=["b", "a"]),
        body(unmet=["a", "a"]),
        body(unmet=["a", "b", "c", "d", "e"]),
        body(unmet=[1]),
        body(longer_s=60),
        body(LONGER, longer_s=59),
        body(LONGER, longer_s=0),
        body(LONGER, longer_s=45 * 86_400 + 1),
        body(LONGER, unmet=["consumers_moved"]),
        body(takes_back=[]),
        body(found=""),
        body() + b" ",
    ],
)
def test_impossible_statements_are_refused(raw: bytes) -> None:
    with pytest.raises(BadInput):
        HaltStatement.parse(raw)


def test_twins_at_the_edge_are_read() -> None:
    for raw in (
        body(),
        body(step=15),
        body(unmet=["a", "b", "c", "d"]),
        body(LONGER, longer_s=60),
        body(LONGER, longer_s=45 * 86_400),
    ):
        assert HaltStatement.parse(raw).body() == raw


def test_statements_about_halts_have_the_bytes_that_they_had() -> None:
    for name in ("halt", "halt_v2_keep", "halt_v2_undo", "halt_v2_settle"):
        stored = json.loads((VECTORS / f"{name}.json").read_bytes())
        raw = stored["statement"].encode()
        assert HaltStatement.parse(raw).body() == raw
        with pytest.raises(BadInput):
            HaltStatement.parse(encode({**json.loads(raw), "step": 0}))


@every("decision", [GO_ON, LONGER])
def test_the_stored_answers_still_hold(decision: RunDecision) -> None:
    stored = json.loads((VECTORS / f"halt_v3_{decision}.json").read_bytes())
    plan = load(stored["plan"].encode(), protected=frozenset(), allow_test=True)
    found = check(SignedHalt.from_json(stored["answer"]), replace(RUN, plan=plan))
    assert (found.decision, found.digest) == (decision, stored["digest"])


# --- replayed from entries


TRUST = Trust(
    Approvers.parse((VECTORS / "approvers.json").read_bytes()), record.POLICY, RP_ID, ORIGIN
)


def entry(said: SignedHalt) -> Entry:
    statement = HaltStatement.parse(said.statement)
    return Entry(
        1,
        b"",
        {
            "action": "person:wait:answered",
            "actor": f"person:{said.person}",
            "object": f"proposal:{statement.proposal}",
            "at": said.recorded_at.isoformat(),
            "data": {"statement": statement.to_json(), "assertion": said.assertion.to_json()},
        },
    )


def test_an_answer_is_verified_again_from_its_entry() -> None:
    slots = ("security", "service_owner")
    found = signed_halt(entry(says(PLAN)), TRUST, plan=PLAN, slots=slots)
    assert (found.problem, found.decision) == ("", "go_on")
    assert found.said.startswith("answer (go_on) by")
    other = a_rotation(person=True)
    assert signed_halt(entry(says(PLAN)), TRUST, plan=other, slots=slots).problem
    assert signed_halt(entry(says(PLAN)), TRUST, plan=None, slots=slots).problem
    assert signed_halt(entry(says(PLAN)), TRUST, plan=PLAN, slots=("lead",)).problem
    bob = signed_halt(entry(says(PLAN, BOB)), TRUST, plan=PLAN, slots=("security",))
    assert bob.problem
