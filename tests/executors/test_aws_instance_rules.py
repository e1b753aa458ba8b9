"""Groups that an instance gets back must let through what people decided on, and no more.

moto, simulated: the tests change the rules as an administrator of the account.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.executors import aws_instance_groups
from remediation.executors.errors import NotApplied, RollbackFailed, VerifyFailed
from remediation.executors.run import executor_of, run_apply, run_observe, run_rollback, run_verify
from tests.executors import moto
from tests.executors.aws_instances import InstanceWorld
from tests.executors.contract import clearance, make_plan
from tests.executors.test_aws_instance import ISOLATE, RESTORE, prepared

TARGET: dict[str, Json] = {
    "kind": "aws.instance", "account": moto.ACCOUNT, "region": "us-east-1", "instance": "i-01234567"
}  # fmt: skip


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> InstanceWorld:
    return InstanceWorld(ISOLATE, tmp_path, simulator)


def test_a_restoring_gives_back_only_the_rules_that_people_decided_on(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    world = InstanceWorld(RESTORE, tmp_path, simulator)
    plan, targets, before = prepared(world)
    world.let_in(world.earlier[0])
    assert run_observe(world.step, targets).state != before, "the gate finds it stale"
    with pytest.raises(NotApplied, match="rules of the earlier groups"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.groups()[world.interface] == [world.isolation] and not world.lines()


def test_undoing_an_isolation_gives_back_only_the_rules_that_people_decided_on(
    world: InstanceWorld,
) -> None:
    """Who may change the rules cannot hold the isolation off with them."""
    plan, targets, before = prepared(world)
    world.let_in(world.earlier[0])
    seen = run_observe(world.step, targets)
    assert {**before, "earlier_rules": seen.shown["earlier_rules"]} != before
    assert seen.state == {name: before[name] for name in seen.state}
    run_apply(clearance(plan), plan.body, 0, targets, before)
    run_verify(clearance(plan), plan.body, 0, targets, before)
    with pytest.raises(RollbackFailed, match="rules of the earlier groups"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.groups()[world.interface] == [world.isolation]


def test_rules_that_come_during_a_restoring_do_not_confirm(
    simulator: moto.Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EC2 has no call that gives groups only if their rules are still those."""
    monkeypatch.setattr("remediation.executors.aws_policy_action.VERIFY_SECONDS", 0.0)
    world = InstanceWorld(RESTORE, tmp_path, simulator)
    plan, targets, before = prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    world.let_in(world.earlier[0])
    with pytest.raises(VerifyFailed, match="rules of the earlier groups"):
        run_verify(clearance(plan), plan.body, 0, targets, before)
    found = run_observe(world.step, targets)
    assert executor_of(world.step).settled_from(world.step, found, before, {}) is None


def test_the_order_of_rules_is_no_other_rule() -> None:
    one, two = {"IpProtocol": "tcp", "IpRanges": [1, 2]}, {"IpProtocol": "udp", "IpRanges": []}
    turned = {"IpRanges": [2, 1], "IpProtocol": "tcp"}
    named = [f"eni-{'0' * 8}: sg-{'0' * 8}"]

    def digest(*held: dict[str, Any]) -> str:
        step = make_plan(RESTORE, TARGET, {"earlier_groups": named, "earlier_profile": ""}).steps[0]
        group = {"IpPermissions": [*held], "IpPermissionsEgress": []}
        return aws_instance_groups.rules(step, {f"sg-{'0' * 8}": group})

    assert digest(one, two) == digest(two, turned) != digest(one)


def test_an_isolation_that_names_groups_that_are_gone_is_refused(world: InstanceWorld) -> None:
    """It would be approved as one that can be undone."""
    more = world.add_interface()
    world.set_groups(more, [world.isolation])
    gone = f"sg-{'0' * 17}"
    named = sorted([f"{world.interface}: {','.join(world.earlier)}", f"{more}: {gone}"])
    plan = make_plan(
        ISOLATE, world.target, {"earlier_groups": [*named], "earlier_profile": world.profile}
    )
    with pytest.raises(NotApplied, match=f"no such groups: {gone}"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.groups()[world.interface] == world.earlier and not world.lines()
