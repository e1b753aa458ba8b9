"""The end of a run behind the wait of its last step: all steps of the gate, and no clearance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from remediation.domain.errors import Digest, GateRefused, HoldMissing
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import Evidence
from remediation.domain.halt.statement import seen_digest
from tests.domain import record
from tests.domain.gate import verifying
from tests.domain.story import ALICE, APPROVED, EVE, approvers
from tests.domain.thing_plans import parsed, retire, second, wait
from tests.domain.waited import NOW, RECORD, answer, answer_statement, says, waited
from tests.every import every

PLAN = parsed(second(retire(wait=wait(person=True)), order="cut_first"))
# The run succeeded in its own time; nothing is left to run, so that time does not count any more.
LATE = NOW + timedelta(hours=2)


def end(**changes: Any) -> Evidence:
    usual = {
        "step": 0, "made": {}, "observations": (), "answers": (says(PLAN, ALICE),),
    }  # fmt: skip
    return waited(PLAN, **{**usual, **changes})


def verify_end(evidence: Evidence, **changes: Any) -> None:
    given = {"approvers": approvers(), "now": evidence.database_now, "log": record.trust()}
    gate.verify_end(evidence, allow_test=True, **{**given, **changes})


def test_a_run_ends_after_a_signed_answer_and_the_replay_says_the_same() -> None:
    verify_end(end())
    findings = gate.examine(
        end(), approvers=approvers(), now=NOW, log=record.trust(), allow_test=True
    )
    assert [one.number for one in findings if not one.result] == []


def test_the_time_to_run_does_not_end_what_has_run() -> None:
    assert APPROVED + timedelta(hours=1) < LATE
    said = answer_statement(plan=PLAN.digest, expires=LATE, seen=seen_digest((), RECORD))
    signed = answer(said, recorded_at=LATE - timedelta(seconds=9), sightings=())
    verify_end(end(at=LATE, answers=(signed,), waited_s=0))


@every(
    ("changes", "refusal"),
    [
        ({"answers": ()}, HoldMissing),
        ({"answers": (says(PLAN, EVE),)}, HoldMissing),
        ({"answers": (answer(answer_statement(EVE, plan=PLAN.digest), ALICE),)}, HoldMissing),
        ({"waits": (), "waited_s": 0}, GateRefused),
        ({"applied": ()}, Digest),
        ({"frozen": "all"}, GateRefused),
        ({"people": ()}, GateRefused),
    ],
)
def test_an_end_is_refused(changes: dict[str, Any], refusal: type[GateRefused]) -> None:
    with pytest.raises(refusal):
        verify_end(end(**changes))


def test_the_evidence_of_an_end_clears_no_step() -> None:
    with pytest.raises(Digest):
        verifying.verify(end(), allow_test=True)


def test_the_evidence_of_a_step_ends_no_run() -> None:
    with pytest.raises(Digest):
        verify_end(waited())
