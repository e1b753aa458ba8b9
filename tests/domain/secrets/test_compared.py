"""The record of compared secrets: places and rules, and the strict form in which it is read."""

from __future__ import annotations

import json

import pytest

from remediation.domain.errors import BadInput
from remediation.domain.secrets.compared import Spot, body, parse, verdict

SPOT = Spot("a" * 64, 12, 8, "assigned_secret")


@pytest.mark.parametrize(
    ("answers", "why", "said"),
    [
        ([True, False], "", "yes"),
        ([True, None], "too many", "yes"),
        ([False, False], "the role has no password", "no"),
        ([False, None], "", "no"),  # what is not compared cannot be a password
        ([False, None], "too many secrets", "unknown"),
        ([None], "not enrolled", "unknown"),
        ([], "", "unknown"),
    ],
)
def test_the_verdict(answers: list[bool | None], why: str, said: str) -> None:
    assert verdict(answers, why) == said


def test_what_is_recorded_is_read() -> None:
    recorded = body([[SPOT, SPOT], [SPOT]], [True, None], at="2026", place="p", left_out=3)
    found = parse(recorded)
    assert [answer for _, answer in found.answers] == ["yes", "yes", "unknown"]
    assert (found.place, found.left_out) == ("p", 3)


@pytest.mark.parametrize("row", [[1, 2, "rule"], [1, 2, "rule", "maybe"], ["1", 2, "r", "yes"]])
def test_another_form_is_refused(row: list[object]) -> None:
    value = json.loads(body([[SPOT]], [True], at="2026"))
    value["artefacts"] = {"a": [row]}
    with pytest.raises(BadInput):
        parse(json.dumps(value).encode())
