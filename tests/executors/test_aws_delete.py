"""Delete an Inactive key in the simulated AWS, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediation.executors.errors import NotApplied
from remediation.executors.run import run_apply, run_observe, would_refuse
from tests.executors import moto
from tests.executors.contract import AwsWorld, clearance


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> AwsWorld:
    return AwsWorld("aws.access_key.delete", tmp_path, simulator)


def test_only_the_named_inactive_key_is_deleted(world: AwsWorld) -> None:
    plan, targets = world.plan(), world.targets()
    assert would_refuse(world.step, run_observe(world.step, targets)) == ""
    run_apply(clearance(plan), plan.body, 0, targets)
    assert world.moto.keys_of(world.user.name) == {world.user.second_key: "Active"}
    assert run_observe(world.step, targets).state == {"status": "deleted"}


def test_an_active_key_is_refused_also_if_it_was_inactive_when_people_decided(
    world: AwsWorld,
) -> None:
    plan, targets = world.plan(), world.targets()
    assert would_refuse(world.step, run_observe(world.step, targets)) == ""
    world.moto.admin().update_access_key(
        UserName=world.user.name, AccessKeyId=world.user.key, Status="Active"
    )
    why = would_refuse(world.step, run_observe(world.step, targets))
    assert why.endswith("status is Active; only an Inactive key is deleted")
    with pytest.raises(NotApplied, match="status is Active"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.user.key in world.moto.keys_of(world.user.name)


def test_a_key_that_is_not_there_is_refused_when_people_look(world: AwsWorld) -> None:
    step = world.plan({**world.target, "access_key_id": "AKIANOSUCHKEY0000000"}).steps[0]
    why = would_refuse(step, run_observe(step, world.targets()))
    assert "status is deleted" in why
