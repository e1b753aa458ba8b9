"""The work of a check is counted; none passes for what it did not look at (A83)."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from remediation.domain.checks import CHECKS, CheckInput, Outcome, run
from remediation.domain.checks.budget import MOST, Budget
from tests.domain.checks.test_claims import claiming, event
from tests.domain.story import ARTEFACT_SHA, a_check_input, a_read_input
from tests.every import every

# Checks that look only at plan, inventory and observations.
WITHOUT_EVIDENCE = {
    "claim_without_citation",
    "hidden_characters",
    "target_unknown",
    "target_unobservable",
    "earlier_rejection",
    "environment_mismatch",
    "protected_target",
    "irreversible",
    "duplicate_proposal",
    "precheck_refused",
}


def needed(name: str, given: CheckInput) -> int:
    """Return how much work the check needs on this input."""
    given.budget.begin(MOST)
    given.budget.spend()
    CHECKS[name](given)
    return given.budget.spent


def outcomes(given: CheckInput, budget: int = MOST) -> dict[str, tuple[Outcome, str]]:
    return {one.name: (one.outcome, one.reason) for one in run(given, budget=budget)}


@every("name", list(CHECKS))
def test_a83_a_check_passes_with_the_work_that_it_needs_and_fails_with_less(name: str) -> None:
    given = a_read_input()
    most = needed(name, given)
    assert outcomes(given, most)[name][0] is Outcome.PASS
    for less in {0, most // 2, most - 1} - {most}:
        outcome, reason = outcomes(given, less)[name]
        assert outcome is Outcome.FAIL
        assert reason.startswith("not checked to the end")


def test_a83_without_the_budget_a_check_passes_for_what_it_did_not_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: with a budget that counts nothing, running out is never found."""
    monkeypatch.setattr(Budget, "spend", lambda self, units=1: None)
    assert {outcome for outcome, _ in outcomes(a_read_input(), 0).values()} == {Outcome.PASS}


def test_a84_an_artefact_that_was_not_read_is_named_by_each_check_of_evidence() -> None:
    """More of the agent's own evidence than is read warns; a citation of it fails."""
    other = outcomes(a_check_input(unread=frozenset({"0" * 64})))
    warned = {name for name, (outcome, _) in other.items() if outcome is Outcome.WARN}
    assert warned == set(CHECKS) - WITHOUT_EVIDENCE - {"sessions_left_open"}
    assert "1 artefact was too much to read, 0 of them cited" in other["secret_in_evidence"][1]

    cited = outcomes(a_check_input(unread=frozenset({ARTEFACT_SHA}), evidence={}))
    failed = {name for name, (outcome, _) in cited.items() if outcome is Outcome.FAIL}
    assert failed >= warned


def looping(count: int) -> dict[str, CheckInput]:
    """Return inputs that made a check quadratic, with so many records or claims."""
    stop = event("StopLogging", eventSource="cloudtrail.amazonaws.com")
    start = event("StartLogging", eventSource="cloudtrail.amazonaws.com")
    trails = claiming("It stopped.", *[stop] * count, *[start] * count)
    long = claiming("It is so.", event(note="x" * 200 * count))
    (claim,) = long.diagnosis.claims
    regions = " ".join(f"eu-west-{n}" for n in range(20))
    diagnosis = replace(
        long.diagnosis, claims=tuple(replace(claim, text=regions) for _ in range(count))
    )
    return {
        "telemetry_switched_off": trails,
        "place_and_time_mismatch": replace(long, diagnosis=diagnosis),
    }


def test_a83_four_times_the_records_need_not_much_more_than_four_times_the_work() -> None:
    name = "telemetry_switched_off"
    few, many = (needed(name, looping(count)[name]) for count in (50, 200))
    assert many < 8 * few


def test_a83_what_stays_quadratic_ends_with_its_budget() -> None:
    """Long records that many claims cite: every claim's regions are searched in them."""
    name = "place_and_time_mismatch"
    few, many = (needed(name, looping(count)[name]) for count in (50, 200))
    assert many > 8 * few
    assert outcomes(looping(200)[name], few)[name][1].startswith("not checked to the end")


def test_the_newest_restoration_counts() -> None:
    """Restorations are found by name and trail; one before the call restores nothing."""

    def trail(call: str, at: int, name: str) -> dict[str, Any]:
        return event(
            call,
            eventSource="cloudtrail.amazonaws.com",
            eventTime=f"2026-03-01T10:0{at}:00Z",
            requestParameters={"name": name},
        )

    def outcome(*records: dict[str, Any]) -> Outcome:
        content = json.dumps({"Records": records}).encode()
        given = a_check_input(evidence={sha256(content).hexdigest(): content})
        return CHECKS["telemetry_switched_off"](given)[0]

    stop = trail("StopLogging", 1, name="arn:aws:cloudtrail:eu-west-1:111122223333:trail/t")
    assert outcome(stop, trail("StartLogging", 2, name="t")) is Outcome.WARN
    assert outcome(stop, trail("StartLogging", 0, name="t")) is Outcome.FAIL
    assert outcome(stop, trail("StartLogging", 2, name="u")) is Outcome.FAIL
    assert outcome(stop, trail("StartLogging", 1, name="t")) is Outcome.FAIL
    failed = trail("StartLogging", 2, name="t") | {"errorCode": "AccessDenied"}
    assert outcome(stop, failed) is Outcome.FAIL
    both = (trail("StartLogging", 2, name="t"), trail("StartLogging", 0, name="t"))
    assert outcome(stop, *both) is outcome(stop, *reversed(both)) is Outcome.WARN
