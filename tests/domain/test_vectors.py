"""The stored evidence files: the one that holds, and one for each way the gate refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.tlog.policy import Policy
from remediation.domain.errors import GATE_REASONS
from remediation.domain.gate import gate
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.finding import Failure, Finding
from remediation.domain.gate.inclusion import LogTrust
from tests.domain.flaws import FLAWS
from tests.every import every
from tests.vectors import make

HERE = Path(__file__).parents[1] / "vectors"
TRUST = LogTrust(Policy.parse((HERE / "log_policy.txt").read_text()))
APPROVERS = Approvers.parse((HERE / "approvers.json").read_bytes())
# These reasons come from outside the evidence: from the lease, the log and the policy file.
NOT_IN_EVIDENCE = {"target_busy", "not_served", "audit_unavailable", "policy_unavailable"}


def read(name: str) -> Evidence:
    return Evidence.parse((HERE / f"evidence_{name}.json").read_bytes())


def findings(given: Evidence) -> tuple[Finding, ...]:
    return gate.examine(
        given, approvers=APPROVERS, now=given.database_now, log=TRUST, allow_test=True
    )


def test_todays_code_makes_the_stored_files() -> None:
    """A format must not change unnoticed: old signed evidence must still verify."""
    stored = {
        path.name: path.read_bytes()
        for path in HERE.glob("*.*")
        if path.suffix in (".json", ".txt")
    }
    assert stored == make.files()


@every("name", ["ok", "v3_ok", "v4_ok", "v4_go_on"])
def test_a_good_file_holds_in_every_step(name: str) -> None:
    found = findings(read(name))
    assert [finding.number for finding in found] == [1, 2, 3, 4, 5, 6, 7]
    assert all(finding.result for finding in found)


def test_a_narrowing_and_a_review_hold_in_every_step() -> None:
    """bob left a step out; his signature and alice's review of the rest are an approval."""
    given = read("narrowed")
    assert all(finding.result for finding in findings(given))
    assert [review.person for review in given.reviews] != [given.narrowings[0].person]
    assert b"hitlportal-evidence/v3" in given.dump()


@every("name", FLAWS)
def test_each_flaw_is_found_by_its_step_and_named(name: str) -> None:
    flaw = FLAWS[name]
    given = read(name)
    failed = [finding for finding in findings(given) if not finding.result]
    first = failed[0]
    assert isinstance(first.result, Failure)
    assert (first.number, first.result.reason) == (flaw.step, flaw.reason)
    assert first.result.detail
    with pytest.raises(GATE_REASONS[flaw.reason]):
        gate.verify(
            given,
            approvers=APPROVERS,
            now=given.database_now,
            monotonic=0.0,
            log=TRUST,
            allow_test=True,
        )


def test_there_is_a_file_for_every_reason_that_evidence_can_show() -> None:
    assert {flaw.reason for flaw in FLAWS.values()} == set(GATE_REASONS) - NOT_IN_EVIDENCE
    assert {name for name in FLAWS if name in GATE_REASONS} == set(GATE_REASONS) - NOT_IN_EVIDENCE
