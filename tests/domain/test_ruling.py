"""The ruling: what it says about more requirements, and which bytes it reads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediation.domain.errors import BadInput, BadValue
from remediation.domain.ruling import Requirements, Risk, Ruling, rule, tightened
from tests.domain.story import ASSESSED
from tests.every import every

ASKED = Requirements(
    version=1,
    risk="medium",
    slots=("security", "any"),
    assurance="user_verified",
    decide_within_s=3_600,
    run_within_s=900,
    reasons=("It reaches more than development.",),
)
RULING = rule(ASKED, ASSESSED)
TICK = timedelta(microseconds=1)


@every(
    ("change", "said"),
    [
        (
            {"slots": ("security", "service_owner")},
            "slots security, service_owner are needed, security, any were",
        ),
        (
            {"slots": ("security", "any", "any")},
            "slots security, any, any are needed, security, any were",
        ),
        (
            {"slots": ("security", "security")},
            "slots security, security are needed, security, any were",
        ),
        ({"risk": "high"}, "the risk is high, it was medium"),
        ({"assurance": "two_keys"}, "the assurance is two_keys, it was user_verified"),
        ({"decide_within_s": 3_599}, "a decision is due within 3599 s, it was 3600"),
        ({"run_within_s": 899}, "it must run within 899 s, it was 900"),
    ],
)
def test_it_names_what_is_asked_beyond_the_ruling(change: dict[str, Any], said: str) -> None:
    assert tightened(RULING, replace(ASKED, **change)) == said


def test_it_says_that_a_ruling_without_slots_had_none() -> None:
    without = replace(RULING, requirements=replace(ASKED, slots=()))
    assert tightened(without, ASKED) == "slots security, any are needed, none were"


@every(
    "change",
    [
        {},
        {"slots": ("security",)},
        {"slots": ("any", "any")},
        {"slots": ("any", "security")},
        {"slots": ()},
        {"risk": "low"},
        {"decide_within_s": 3_601},
        {"run_within_s": 901},
        {"version": 2},
        {"reasons": ()},
    ],
)
def test_the_same_or_less_tightens_nothing(change: dict[str, Any]) -> None:
    assert tightened(RULING, replace(ASKED, **change)) is None


def test_risks_rank_in_ascending_order() -> None:
    assert [Risk(name).rank for name in ("low", "medium", "high", "critical")] == [0, 1, 2, 3]


@every("offset", [-TICK, timedelta(), TICK])
def test_a_later_ruling_takes_the_earlier_deadline(offset: timedelta) -> None:
    due = ASSESSED + timedelta(seconds=3_600)
    earlier = replace(RULING, decide_by=due + offset)
    assert rule(ASKED, ASSESSED, earlier=earlier).decide_by == min(due, due + offset)


def test_a_ruling_reads_back_from_its_bytes() -> None:
    assert Ruling.parse(RULING.body()) == RULING
    same = (RULING.slots, RULING.risk, RULING.reasons, RULING.run_within_s)
    assert same == (ASKED.slots, ASKED.risk, ASKED.reasons, ASKED.run_within_s)


def test_bytes_that_are_not_canonical_are_refused() -> None:
    body = RULING.body()
    for broken in (body + b" ", json.dumps(json.loads(body)).encode(), b"{}", b"", b"\xff"):
        with pytest.raises(BadInput):
            Ruling.parse(broken)
    with pytest.raises(BadValue) as refused:
        Ruling.parse(body.replace(b",", b", ", 1))
    assert refused.value.detail == "the ruling is not canonical"


@every(
    ("name", "least", "most"),
    [("version", 1, 1_000_000), ("decide_within_s", 1, 10**9), ("run_within_s", 1, 10**9)],
)
def test_numbers_are_read_up_to_both_limits(name: str, least: int, most: int) -> None:
    for number in (least, most):
        owners = {"owners": []} if name == "version" and number > 1 else {}
        stated = RULING.to_json() | {name: number} | owners
        assert Ruling.from_json(stated).to_json()[name] == number
    for number in (least - 1, most + 1):
        with pytest.raises(BadInput, match=name):
            Ruling.from_json(RULING.to_json() | {name: number})


@every(
    ("name", "value"),
    [
        ("slots", ["lead"]), ("slots", ["any", "lead"]), ("slots", ["any"] * 21), ("slots", "any"),
        ("risk", "none"), ("assurance", "two_keys"), ("reasons", ["x" * 100_001]),
        ("decide_by", "soon"), ("more", 1),
    ],
)  # fmt: skip
def test_another_shape_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadInput):
        Ruling.from_json(RULING.to_json() | {name: value})


def test_a_refusal_names_the_place_in_the_document() -> None:
    with pytest.raises(BadInput) as unknown:
        Ruling.from_json(RULING.to_json() | {"slots": ["lead"]}, "/ruling")
    assert (unknown.value.detail, unknown.value.pointer) == ("unknown slot", "/ruling/slots")
    with pytest.raises(BadInput) as wrong:
        Ruling.from_json(RULING.to_json() | {"decide_by": "soon"}, "/ruling")
    assert wrong.value.pointer == "/ruling/decide_by"
    with pytest.raises(BadInput) as alone:
        Ruling.from_json(RULING.to_json() | {"slots": ["lead"]})
    assert alone.value.pointer == "/slots"


def test_twenty_slots_and_long_reasons_are_read() -> None:
    full = replace(
        RULING, requirements=replace(ASKED, slots=("any",) * 20, reasons=("x" * 100_000,))
    )
    assert Ruling.parse(full.body()) == full
