"""Observations and the pin: what must not change, compared as JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain.errors import BadInput, BadValue, TargetUnobservable
from remediation.domain.observation import (
    Observation,
    Pinned,
    observation_body,
    parse_pin,
    pin,
)
from tests.domain.story import LOCATOR, a_plan, an_observation


def test_an_observation_reads_back() -> None:
    seen = an_observation()
    assert Observation.from_json(seen.to_json()) == seen


def test_the_pin_holds_the_state_without_the_fields_for_display() -> None:
    busy = replace(an_observation(), shown={"sessions": 99})
    body = pin(a_plan(), {LOCATOR: busy})
    assert body == pin(a_plan(), {LOCATOR: an_observation()})
    assert b"sessions" not in body
    (entry,) = parse_pin(body)
    assert (entry.locator, entry.exists, dict(entry.state)) == (LOCATOR, True, dict(busy.state))


def test_a_target_that_was_not_observed_cannot_be_pinned() -> None:
    for observations in ({}, {LOCATOR: None}):
        with pytest.raises(TargetUnobservable):
            pin(a_plan(), observations)


@pytest.mark.parametrize("state", [{}, {"login": True}, {**an_observation().state, "more": 1}])
def test_the_state_must_be_exactly_the_pin_fields(state: dict[str, bool]) -> None:
    with pytest.raises(BadValue, match="exactly"):
        pin(a_plan(), {LOCATOR: replace(an_observation(), state=state)})


def test_a_target_that_does_not_exist_is_pinned_as_such() -> None:
    (entry,) = parse_pin(pin(a_plan(), {LOCATOR: Observation(False, {}, {}, False)}))
    assert entry.exists is False


def test_a_pin_that_is_not_canonical_is_refused() -> None:
    body = pin(a_plan(), {LOCATOR: an_observation()})
    for broken in (body + b" ", b"{}", b"[]", b'{"targets":[]}', b"\xff", body[:-1]):
        with pytest.raises(BadInput):
            parse_pin(broken)


def test_true_is_not_one() -> None:
    """In Python True == 1, but a flag that became a number is another state of a target."""
    assert not Pinned("x", True, {"a": True}).same_as(Pinned("x", True, {"a": 1}))
    assert not Pinned("x", True, {"a": None}).same_as(Pinned("x", True, {}))
    assert Pinned("x", True, {"a": 1, "b": 2}).same_as(Pinned("x", True, {"b": 2, "a": 1}))


def test_recorded_observations_include_unobservable_targets() -> None:
    assert observation_body({LOCATOR: None}) == f'{{"{LOCATOR}":null}}'.encode()
    assert b'"sessions":0' in observation_body({LOCATOR: an_observation()})
