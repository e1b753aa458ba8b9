"""The preview of the gate: the gate's own answer, without any change (A44)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

from audit.models import Entry
from remediation.services.execution import preview_gate
from tests.factories import WEB
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Any, settings: Any) -> World:
    return World(tmp_path, settings)


def everything() -> dict[str, int]:
    """Return the number of rows of each table."""
    models = [*apps.get_app_config("remediation").get_models(), Entry]
    return {model.__name__: model._default_manager.count() for model in models}


@pytest.mark.parametrize("until", ["in_review", "approved"])
def test_a44_a_preview_writes_nothing_and_calls_nothing(world: World, until: str) -> None:
    reach: Callable[[], Any] = getattr(world, until)
    proposal = world.get(reach())
    before, state = everything(), world.state()
    with acts(WEB):
        point = transaction.savepoint()
        # The database itself refuses a write from here on.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        assert len(preview_gate.preview(proposal)) == 7
        transaction.savepoint_rollback(point)
    assert everything() == before
    assert (world.calls(), world.state()) == ([], state)


def test_the_preview_is_the_gates_own_answer(world: World) -> None:
    proposal_id = world.in_review()
    names = {finding.number: bool(finding.result) for finding in _preview(world, proposal_id)}
    assert names == {1: True, 2: True, 3: True, 4: False, 5: True, 6: True, 7: False}
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    # Only the worker proves inclusion in the log, so step 7 never passes here.
    found = {finding.number: bool(finding.result) for finding in _preview(world, proposal_id)}
    assert found == {1: True, 2: True, 3: True, 4: True, 5: True, 6: True, 7: False}


def test_without_an_assessment_there_is_no_preview(world: World) -> None:
    assert _preview(world, world.submit()) == ()


def _preview(world: World, proposal_id: Any) -> Any:
    with acts(WEB):
        return preview_gate.preview(world.get(proposal_id))
