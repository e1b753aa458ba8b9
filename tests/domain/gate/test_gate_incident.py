"""Step 5: nothing runs for a closed incident, except a reversal from after the closure (A78)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from remediation.domain.errors import BadInput, IncidentClosed, Next
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.incident import IncidentEvidence
from tests.domain.gate.test_gate_reversals import undoing
from tests.domain.gate.verifying import GOOD, roll_back, verify
from tests.domain.story import NOW

CLOSED = NOW - timedelta(minutes=1)


def closed(after: timedelta, state: str = "closed") -> IncidentEvidence:
    at = CLOSED if state == "closed" else None
    return IncidentEvidence(state, at, CLOSED + after)


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_a78_a_plain_proposal_of_a_closed_incident_does_not_run(seconds: int) -> None:
    with pytest.raises(IncidentClosed) as refused:
        verify(replace(GOOD, incident=closed(timedelta(seconds=seconds))))
    assert refused.value.next is Next.REFUSE


@pytest.mark.parametrize("seconds", [-1, 0])
def test_a78_neither_does_a_reversal_from_before_the_closure(seconds: int) -> None:
    with pytest.raises(IncidentClosed):
        verify(replace(undoing(), incident=closed(timedelta(seconds=seconds))))


def test_a_reversal_from_after_the_closure_runs() -> None:
    given = replace(undoing(), incident=closed(timedelta(microseconds=1)))
    assert verify(given).step == 0


@pytest.mark.parametrize("state", ["open", "contained"])
def test_an_incident_that_is_not_closed_hinders_nothing(state: str) -> None:
    assert verify(replace(GOOD, incident=closed(timedelta(hours=-1), state))).step == 0


def test_a_closure_without_its_time_lets_nothing_run() -> None:
    with pytest.raises(IncidentClosed):
        verify(replace(undoing(), incident=IncidentEvidence("closed", None, NOW)))


def test_a_rollback_does_not_ask_for_the_incident() -> None:
    """A person who asks to undo a run is not stopped by the closure of its incident."""
    given = replace(GOOD, incident=closed(timedelta(hours=-1)))
    assert roll_back(replace(given, applied=(0,))).rollback


def test_evidence_from_before_the_field_still_verifies() -> None:
    assert GOOD.incident is None
    assert "incident" not in GOOD.to_json()
    assert verify(Evidence.parse(GOOD.dump())).step == 0


def test_the_incident_reads_back_and_nothing_else_does() -> None:
    for given in (closed(timedelta(0)), closed(timedelta(0), "open")):
        whole = replace(GOOD, incident=given)
        assert Evidence.parse(whole.dump()) == whole
    document = replace(GOOD, incident=closed(timedelta(0))).to_json()
    for wrong in (
        {"state": "gone", "closed_at": None, "proposed_at": "2026-11-22T10:00:00Z"},
        {"state": "closed", "closed_at": 1, "proposed_at": "2026-11-22T10:00:00Z"},
        {"state": "closed", "closed_at": None},
        None,
    ):
        with pytest.raises(BadInput):
            Evidence.from_json(document | {"incident": wrong})  # type: ignore[dict-item]
