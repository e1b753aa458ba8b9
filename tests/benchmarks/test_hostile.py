"""The hostile benchmark's reports still are the API's maxima; nothing is timed."""

from __future__ import annotations

import pytest

from remediation.domain import report
from tests.benchmarks import hostile, hostile_acts
from tests.benchmarks.hostile_reports import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a83_the_largest_reports_are_accepted(kind: str) -> None:
    told = report.parse(KINDS[kind]("h1"), protected=frozenset(), allow_test=True)
    assert max(len(one.content) for one in told.evidence) > 0.9 * report.MAX_ARTEFACT_BYTES


def test_a83_citations_and_claims_are_as_many_as_a_report_takes() -> None:
    told = report.parse(KINDS["citations"]("h1"), protected=frozenset(), allow_test=True)
    assert len(told.diagnosis.claims) == report.MAX_CLAIMS
    assert {len(one.citations) for one in told.diagnosis.claims} == {report.MAX_CITATIONS}


def test_the_benchmarks_run_that_waits_can_be_reported() -> None:
    told = report.parse(hostile_acts.job("one", "two"), protected=frozenset(), allow_test=True)
    assert told.plan is not None and told.plan.steps[0].wait is not None


def test_a_missed_aim_is_named() -> None:
    [_, page] = hostile.lines({"idle": {"page": 0.1}, "claims": {"page": 0.2}})
    assert page.endswith("claims 200.0, 2.00 missed")
    [_, page] = hostile.lines({"idle": {"page": 0.1}, "claims": {"page": 0.15}})
    assert not page.endswith("missed")
