"""Stored plans are read with the current catalogue and settings."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from remediation.domain.errors import BadInput
from remediation.services.load_plan import load_plan
from tests import factories


def test_a_stored_plan_reads_back() -> None:
    plan = factories.plan("t1", "t2")
    assert load_plan(plan.body) == plan
    assert load_plan(memoryview(plan.body)) == plan  # type: ignore[arg-type]  # as read from a row


def test_test_actions_are_refused_where_they_are_not_allowed(settings: Settings) -> None:
    settings.ALLOW_TEST_ACTIONS = False
    with pytest.raises(BadInput):
        load_plan(factories.plan("t1").body)


def test_bytes_that_are_not_canonical_are_refused() -> None:
    with pytest.raises(BadInput):
        load_plan(factories.plan("t1").body + b" ")
