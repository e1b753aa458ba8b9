"""The evidence file reads back as written, and every other shape is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain.errors import BadInput
from remediation.domain.gate.evidence import Evidence, Excluded
from remediation.domain.observation import Unobservable
from tests.domain.story import EVE, LOCATOR, Story
from tests.every import every

GIVEN = replace(
    Story().evidence(),
    excluded=(Excluded(EVE, "owner of the agent"),),
    unobservable=(Unobservable("x", "refused"),),
)
RAW = GIVEN.dump()


def test_evidence_reads_back() -> None:
    assert Evidence.parse(RAW) == GIVEN
    assert Evidence.from_json(GIVEN.to_json()) == GIVEN


def test_everybody_excluded_for_every_reason_reads_back() -> None:
    """As many people as before, though each reason is an entry of its own now: evidence that cannot
    be read back would refuse to a verifier what the gate let through."""
    people = [f"00000000-0000-4000-8000-{number:012}" for number in range(1_000)]
    whole = replace(
        GIVEN,
        excluded=tuple(Excluded(one, f"reason {number}") for one in people for number in range(6)),
    )
    assert Evidence.parse(whole.dump()) == whole
    assert whole.why_excluded(people[-1]) == tuple(f"reason {number}" for number in range(6))


def test_the_pin_of_the_step_is_that_of_its_target() -> None:
    assert GIVEN.step_pin().locator == LOCATOR
    for broken in (replace(GIVEN, step=1), replace(GIVEN, pin="{}"), replace(GIVEN, pin="\ud800")):
        with pytest.raises(BadInput):
            broken.step_pin()


@every("name", json.loads(RAW))
def test_no_field_may_be_missing(name: str) -> None:
    document = json.loads(RAW)
    del document[name]
    with pytest.raises(BadInput) as refused:
        Evidence.from_json(document)
    assert refused.value.name == "missing_field"


@every("name", json.loads(RAW))
def test_no_field_may_be_of_another_type(name: str) -> None:
    value = json.loads(RAW)[name]
    wrong: Any = [] if not isinstance(value, list) else "x"
    with pytest.raises(BadInput) as refused:
        Evidence.from_json(json.loads(RAW) | {name: wrong})
    assert refused.value.name == "wrong_type"


@every(
    "changes",
    [
        {"more": 1}, {"type": "hitlportal-evidence/v1"}, {"step": -1}, {"step": 16},
        {"applied": [True]}, {"applied": [16]}, {"round": 0}, {"token": -1},
        {"approved_at": "now"}, {"proposal": "x"},
    ],
)  # fmt: skip
def test_impossible_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Evidence.from_json(json.loads(RAW) | changes)


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=3))
def test_only_named_refusals_escape_for_changed_bytes(at: int, new: bytes) -> None:
    with contextlib.suppress(BadInput):
        Evidence.parse(RAW[:at] + new + RAW[at + 1 :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(sorted(json.loads(RAW))), JSON)
def test_only_named_refusals_escape_for_any_json_in_any_field(name: str, value: Json) -> None:
    with contextlib.suppress(BadInput):
        Evidence.from_json(json.loads(RAW) | {name: value})
