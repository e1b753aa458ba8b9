"""Stored plans are read with the current catalogue and settings."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from remediation.domain.errors import BadInput
from remediation.domain.plan import parse
from remediation.services.load_plan import load_plan, read_plan
from tests import factories


def test_a_stored_plan_reads_back() -> None:
    plan = factories.plan("t1", "t2")
    assert load_plan(plan.body) == plan
    assert load_plan(memoryview(plan.body)) == plan  # type: ignore[arg-type]  # as read from a row


def test_test_actions_are_refused_where_they_are_not_allowed(settings: Settings) -> None:
    settings.ALLOW_TEST_ACTIONS = False
    with pytest.raises(BadInput):
        load_plan(factories.plan("t1").body)


def test_a05_a_plan_for_an_earlier_version_is_read_to_show_it_and_not_loaded_to_run_it() -> None:
    step = {
        "action": "postgres.role.disable",
        "target": {"kind": "postgres.role", "cluster": "orders", "role": "app"},
        "parameters": {},
        "executor": 1,
    }
    value = {"version": 1, "environment": "production", "steps": [step]}
    old = parse(value, protected=frozenset(), earlier=True)  # type: ignore[arg-type]
    assert read_plan(old.body) == old
    with pytest.raises(BadInput):
        load_plan(old.body)


def test_bytes_that_are_not_canonical_are_refused() -> None:
    with pytest.raises(BadInput):
        load_plan(factories.plan("t1").body + b" ")
