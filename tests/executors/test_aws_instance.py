"""An instance is isolated whole or known to be so in part, and no other state is touched.

moto, simulated: no machine runs and no traffic is cut, so the tests look at groups and profiles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain import live
from remediation.domain.plan import Plan
from remediation.executors import aws_instance_calls
from remediation.executors.base import Deadline, Settled
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_live,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from tests.executors import moto
from tests.executors.aws_instances import InstanceWorld
from tests.executors.contract import clearance, make_plan

ISOLATE, RESTORE = "aws.instance.isolate", "aws.instance.restore"


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> InstanceWorld:
    return InstanceWorld(ISOLATE, tmp_path, simulator)


def prepared(world: InstanceWorld) -> tuple[Plan, Any, Any]:
    """Return the plan, the targets and the snapshot of what people decided on."""
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    return plan, targets, run_prepare(clearance(plan), plan.body, 0, targets, seen)


def is_untouched(world: InstanceWorld) -> bool:
    return world.groups()[world.interface] == world.earlier and not world.lines()


def test_each_of_two_interfaces_is_isolated_and_restored(world: InstanceWorld) -> None:
    second = world.add_interface()
    earlier = sorted(
        [f"{world.interface}: {','.join(world.earlier)}", f"{second}: {world.earlier[0]}"]
    )
    world.parameters["earlier_groups"] = [*earlier]
    plan, targets, before = prepared(world)
    assert before == {
        "security_groups": earlier,
        "profile": world.profile,
        "interfaces": sorted([world.interface, second]),
        "isolation_group": world.isolation,
        "profile_role": world.role,
        "earlier_rules": before["earlier_rules"],
    }
    run_apply(clearance(plan), plan.body, 0, targets, before)
    run_verify(clearance(plan), plan.body, 0, targets, before)
    assert world.groups() == {world.interface: [world.isolation], second: [world.isolation]}
    assert world.held() == []
    found = run_observe(world.step, targets)
    [point] = executor_of(world.step).points(world.step, found)
    assert point.without_access is True
    world.let_in(world.isolation)
    [point] = executor_of(world.step).points(world.step, run_observe(world.step, targets))
    assert point.without_access is False
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.groups() == {world.interface: world.earlier, second: world.earlier[:1]}
    assert world.held() == [world.profile]


def _in_another_network(world: InstanceWorld) -> None:
    vpc, _ = world.network()
    world.isolation_groups = [world.group("elsewhere", egress=False, vpc=vpc)]


def _lets_out(world: InstanceWorld) -> None:
    world.isolation_groups = [world.group("open")]


def _unknown(world: InstanceWorld) -> None:
    world.isolation_groups = ["sg-00000000000000000"]


def _two(world: InstanceWorld) -> None:
    world.isolation_groups = [world.isolation, world.group("second", egress=False)]


def _none(world: InstanceWorld) -> None:
    world.isolation_groups = []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_in_another_network, "none of the isolation_groups"),
        (_lets_out, "has 1 rules"),
        (_unknown, "none of the isolation_groups"),
        (_two, "more than one"),
        (_none, "names no isolation_groups"),
        (lambda world: world.let_in(world.isolation), "has 1 rules"),
    ],
)
def test_without_one_isolation_group_that_lets_nothing_through_nothing_is_changed(
    world: InstanceWorld, change: Callable[[InstanceWorld], None], why: str
) -> None:
    change(world)
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    with pytest.raises(NotApplied, match=why):
        run_prepare(clearance(plan), plan.body, 0, targets, seen)
    with pytest.raises(NotApplied, match=why):
        run_apply(clearance(plan), plan.body, 0, targets)
    [point] = executor_of(world.step).points(world.step, seen)
    assert point.without_access is False and is_untouched(world)


def test_a_terminated_instance_is_left_alone_and_has_no_access(world: InstanceWorld) -> None:
    world.ec2.terminate_instances(InstanceIds=[world.name])
    seen = run_observe(world.step, world.targets())
    [point] = executor_of(world.step).points(world.step, seen)
    assert point.without_access is True
    with pytest.raises(NotApplied, match="terminated"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert not world.lines()


def test_what_was_changed_since_people_decided_is_left_alone(world: InstanceWorld) -> None:
    plan, targets, before = prepared(world)
    world.set_groups(world.interface, world.earlier[:1])
    with pytest.raises(NotApplied, match="the plan takes"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    world.set_groups(world.interface, world.earlier)
    _, other = world.new_profile()
    world.replace_profile(other)
    with pytest.raises(NotApplied, match="not the plan's"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    world.replace_profile(world.profile)
    name, role = world.profile.rpartition("/")[2], world.role.rpartition("/")[2]
    world.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
    with pytest.raises(NotApplied, match="profile_role"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    world.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
    world.add_interface()
    with pytest.raises(NotApplied, match=r"interfaces|the plan takes"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert is_untouched(world) and world.held() == [world.profile]


def test_a_profile_that_is_replaced_during_the_step_is_not_taken_off(
    world: InstanceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The association keeps its id, so EC2 would take the other profile off."""
    plan, targets, before = prepared(world)
    _, other = world.new_profile()
    real = aws_instance_calls.association

    def association(*args: Any) -> Any:
        world.replace_profile(other)
        return real(*args)

    monkeypatch.setattr(aws_instance_calls, "association", association)
    with pytest.raises(PartlyApplied, match="replaced by"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.held() == [other] and world.groups()[world.interface] == [world.isolation]


def test_after_a_kill_between_the_two_changes_the_same_step_does_the_rest(
    world: InstanceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    plan, targets, before = prepared(world)
    with monkeypatch.context() as only, pytest.raises(Killed):
        only.setattr(aws_instance_calls, "association", killed)
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.groups()[world.interface] == [world.isolation]
    assert world.held() == [world.profile]
    executor, found = executor_of(world.step), run_observe(world.step, targets)
    assert executor.settled_from(world.step, found, before, {}) is None
    assert executor.settled(found) is None
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.held() == []
    found = run_observe(world.step, targets)
    assert executor.settled_from(world.step, found, before, {}) is Settled.APPLIED
    assert len(world.lines()) == 2
    again = run_apply(clearance(plan), plan.body, 0, targets, before)
    assert again.detail["changed"] is False and len(world.lines()) == 2


def test_people_look_at_an_instance_before_there_is_a_plan(world: InstanceWorld) -> None:
    """Such a look has no parameters (domain/live.py), and shows what a plan has to name."""
    step = live.step_for(world.step.target.locator)
    assert step is not None and not step.parameters
    found = run_live(step, world.targets())
    assert found.state["security_groups"] == world.parameters["earlier_groups"]
    assert (found.state["profile"], found.state["profile_role"]) == (world.profile, world.role)
    [point] = executor_of(step).points(step, found)
    assert point.without_access is False


def test_a_rule_that_comes_into_the_isolation_group_settles_nothing(world: InstanceWorld) -> None:
    """`verify` refuses it; what follows a refusal must not take the groups alone for the effect."""
    plan, targets, before = prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    executor = executor_of(world.step)
    found = run_observe(world.step, targets)
    assert executor.settled_from(world.step, found, before, {}) is Settled.APPLIED
    world.let_in(world.isolation)
    with pytest.raises(VerifyFailed, match="has 1 rules"):
        run_verify(clearance(plan), plan.body, 0, targets, before)
    found = run_observe(world.step, targets)
    assert executor.settled_from(world.step, found, before, {}) is None


def test_the_profile_is_not_taken_off_when_the_time_is_over(
    world: InstanceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, targets, before = prepared(world)
    real = aws_instance_calls.association

    def slow(*args: Any) -> Any:
        found = real(*args)
        monkeypatch.setattr(Deadline, "left", property(lambda _: 1.0))
        return found

    monkeypatch.setattr(aws_instance_calls, "association", slow)
    with pytest.raises(PartlyApplied, match="no time is left"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.held() == [world.profile]


def test_an_undoing_leaves_what_somebody_else_set_since(world: InstanceWorld) -> None:
    plan, targets, before = prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    other = world.group("forensics")
    world.set_groups(world.interface, [other])
    with pytest.raises(RollbackFailed, match="the plan takes"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.groups()[world.interface] == [other] and world.held() == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: {"earlier_groups": []},
        lambda w: {"earlier_groups": [f"{w.interface}: {','.join(reversed(w.earlier))}"]},
        lambda w: {"earlier_groups": [f"{w.interface}: {each}" for each in w.earlier]},
        lambda w: {"earlier_groups": [f"{w.interface}: {w.isolation}"]},
        lambda w: {
            "earlier_groups": [f"eni-00000000: {w.isolation}", *w.parameters["earlier_groups"]]
        },
        lambda w: {"earlier_profile": ""},
        lambda w: {"earlier_profile": f"{w.profile}-2"},
    ],
)
def test_a_plan_that_names_another_way_back_is_refused(
    world: InstanceWorld, wrong: Callable[[Any], dict[str, Json]]
) -> None:
    plan = make_plan(ISOLATE, world.target, {**world.parameters, **wrong(world)})
    with pytest.raises(NotApplied):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert is_untouched(world) and world.held() == [world.profile]


def test_restoring_gives_no_group_that_is_gone_and_no_profile_without_a_role(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    world = InstanceWorld(RESTORE, tmp_path, simulator)
    plan, targets, before = prepared(world)
    vpc, _ = world.network()
    foreign = world.group("foreign", vpc=vpc)
    for missing in (foreign, "sg-ffffffffffffffff0"):
        wrong = {**world.parameters, "earlier_groups": [f"{world.interface}: {missing}"]}
        other = make_plan(RESTORE, world.target, wrong)
        with pytest.raises(NotApplied, match="no such groups"):
            run_apply(clearance(other), other.body, 0, targets)
    name, role = world.profile.rpartition("/")[2], world.role.rpartition("/")[2]
    world.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
    for snapshot in (None, before):
        with pytest.raises(NotApplied, match=r"no role|profile_role"):
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert world.groups()[world.interface] == [world.isolation] and not world.lines()


def test_an_instance_without_a_profile_is_isolated_by_its_groups(world: InstanceWorld) -> None:
    world.detach()
    world.parameters["earlier_profile"] = ""
    plan, targets, before = prepared(world)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert [line["call"] for line in world.lines()] == ["ec2:ModifyNetworkInterfaceAttribute"]
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.groups()[world.interface] == world.earlier and world.held() == []
