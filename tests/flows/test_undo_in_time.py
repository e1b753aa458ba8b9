"""A signed undo counts for a time, by clocks that agree; a stale read is no proof (A65, A66)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from remediation.services.execution import judge_halt, rollback
from tests.flows.conftest import MakeWorld
from tests.flows.test_runs_attacked import since_long
from tests.flows.test_stop_and_keep import at_verify

WHY = "The shop stands still tonight."

pytestmark = pytest.mark.django_db


def test_no_access_comes_back_while_the_databases_clock_is_three_days_off(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web process that was taken over kept a signed undo and did not store it. With the
    database's clock set back it is "within five minutes" and "within the hour" again. The gate
    refuses clock_skew before it takes access away; giving it back compares no clock."""
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t2": {"fail_apply": True}}))
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "off")
    world.halt("alice", proposal_id, WHY, "undo")
    real = judge_halt.database_now
    for module in (judge_halt, rollback):
        monkeypatch.setattr(module, "database_now", lambda: real() - timedelta(days=3))
    path = world.directory / "approvers.json"
    assert path.exists()
    since_long(world)
    world.reconcile()
    assert world.state("t1") == "off"
