"""Evidence of version 4 reads back as written; earlier versions have none of it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.errors import BadInput
from remediation.domain.gate.evidence import TYPE, WAITING, Evidence, evidence_type
from remediation.domain.halt.statement import RunDecision
from remediation.domain.holds import Mode
from tests.domain.story import BOB, Story, a_plan
from tests.domain.waited import a_rotation, says, waited
from tests.every import every

PLAN = a_rotation(person=True)
GIVEN = waited(
    PLAN,
    answers=(says(PLAN), says(PLAN, BOB, RunDecision.LONGER)),
    mode=Mode.EVERY_STEP,
)
RAW = GIVEN.dump()


def test_evidence_of_a_run_that_waits_reads_back() -> None:
    assert GIVEN.type == WAITING
    assert Evidence.parse(RAW) == GIVEN


def test_other_evidence_has_the_bytes_that_it_had() -> None:
    third = Story(version=2).evidence()
    assert third.type == TYPE
    for name in ("waits", "made", "applied_at", "waited_s", "mode"):
        assert f'"{name}"'.encode() not in third.dump()


def test_only_runs_that_wait_have_evidence_of_version_4() -> None:
    plain = Story(version=2)
    ruling = plain.the_ruling()
    assert evidence_type(a_plan(), ruling, Mode.EVERY_PROPOSAL) == TYPE
    assert evidence_type(a_plan(), ruling, Mode.EVERY_STEP) == WAITING
    assert evidence_type(PLAN, ruling, Mode.EVERY_PROPOSAL) == WAITING


@every("name", ["waits", "made", "applied_at", "waited_s", "mode"])
def test_each_field_is_there_in_version_4_and_only_there(name: str) -> None:
    document = json.loads(RAW)
    value = document.pop(name)
    with pytest.raises(BadInput) as refused:
        Evidence.from_json(document)
    assert refused.value.name == "missing_field"
    third = json.loads(Story(version=2).evidence().dump())
    with pytest.raises(BadInput) as refused:
        Evidence.from_json({**third, name: value})
    assert refused.value.name == "unknown_field"


@every(
    "changes",
    [
        {"waits": GIVEN.waits},
        {"made": GIVEN.made},
        {"applied_at": GIVEN.applied_at},
        {"waited_s": 1},
        {"mode": Mode.EVERY_STEP},
    ],
)
def test_evidence_of_version_3_cannot_be_built_with_it(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        replace(Story(version=2).evidence(), **changes)


def test_version_4_says_for_each_person_which_services_may_be_reviewed() -> None:
    with pytest.raises(BadInput):
        replace(GIVEN, people=(replace(GIVEN.people[0], services=None),))


@every(
    "changes",
    [
        {"made": {"16": {}}},
        {"made": {"00": {}}},
        {"made": {"x": {}}},
        {"made": {"0": []}},
        {"made": {"0": {"token_id": 1}}},
        {"made": []},
        {"applied_at": {"0": "now"}},
        {"applied_at": {"-1": "2026-11-22T10:06:00.000000Z"}},
        {"waited_s": -1},
        {"waited_s": True},
        {"mode": "never"},
        {"waits": {}},
        {"waits": [{}]},
        {"type": TYPE},
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Evidence.from_json(json.loads(RAW) | changes)


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=3))
def test_only_named_refusals_escape_for_changed_bytes(at: int, new: bytes) -> None:
    with contextlib.suppress(BadInput):
        Evidence.parse(RAW[:at] + new + RAW[at + 1 :])
