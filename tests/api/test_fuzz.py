"""Random requests get a named refusal or are recorded; they never cause an internal error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import Settings

from tests.api.conftest import Caller, report

# All examples share one agent and its rows.
often = effort(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def without_a_budget(settings: Settings) -> None:
    settings.AGENT_RATE = "1000000/s"


def sound(scanner: Caller, raw: bytes, path: str = "reports") -> int:
    response = scanner.post(path, raw)
    told: dict[str, Any] = json.loads(response.content)
    if response.status_code == 201:
        assert response["Content-Type"] == "application/json"
    else:
        assert 400 <= response.status_code < 500, response.content
        assert response["Content-Type"] == "application/problem+json"
        assert told["type"] not in ("/problems/internal_error", "/problems/refused")
    return response.status_code


@often
@given(raw=st.binary(max_size=300))
def test_random_bytes(scanner: Caller, raw: bytes) -> None:
    assert sound(scanner, raw) in (400, 411)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@often
@given(value=JSON)
def test_random_json(scanner: Caller, value: Any) -> None:
    assert sound(scanner, json.dumps(value).encode()) == 400


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = [at] if at else []
    if isinstance(value, dict | list):
        for key, below in inside:
            found += places(below, (*at, key)) if isinstance(below, dict | list) else [(*at, key)]
    return found


PLACES = places(report())


@often
@given(place=st.sampled_from(PLACES), value=JSON)
def test_a_report_with_one_thing_wrong(scanner: Caller, place: tuple[Any, ...], value: Any) -> None:
    body: Any = report()
    parent = body
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    assert sound(scanner, json.dumps(body).encode()) in (201, 400)


@often
@given(data=st.data())
def test_a_report_with_bytes_changed(scanner: Caller, data: st.DataObject) -> None:
    raw = bytearray(json.dumps(report()).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert sound(scanner, bytes(raw)) in (201, 400)


@often
@given(
    names=st.lists(st.sampled_from(["Authorization", "Content-Type", "Accept", "If-None-Match"])),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
)
def test_random_headers(scanner: Caller, names: list[str], value: str) -> None:
    response = scanner.get("actions", **dict.fromkeys(names, value))
    assert response.status_code in (200, 304, 401, 406), response.content
