"""An action whose effect can come by other hands is not taken for done by a look alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from remediation.executors.noop import Noop
from remediation.executors.oauth_client import DeleteClient
from remediation.services.execution import execute
from tests.flows.world import World

pytestmark = pytest.mark.django_db


class Died(BaseException):
    """An exception that nothing in the worker catches, as if the worker died."""


def died(*args: Any) -> None:
    raise Died


@pytest.mark.parametrize(("by_reading", "state"), [(True, "succeeded"), (False, "unknown")])
def test_a_worker_that_died_before_its_call_did_not_do_what_others_did(
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    by_reading: bool,
    state: str,
) -> None:
    """The holder of an OAuth client revokes its tokens: that is no deletion of the client."""
    world = World(tmp_path, settings)
    monkeypatch.setattr(Noop, "applied_by_reading", by_reading)
    proposal_id = world.approved()
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(execute, "run_apply", died)
        world.execute(proposal_id)
    assert world.calls() == []
    world.set_state("t1", "off")
    for _ in range(3):
        world.reconcile()
    assert world.state_of(proposal_id) == state


def test_people_say_whether_a_client_was_deleted() -> None:
    assert not DeleteClient.applied_by_reading
