"""The worker's call is cut to the run: a session of a role, with a policy for one user.

moto does not enforce session policies, so these tests look at the policy that was sent, and at the
login that made each call.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remediation.executors.errors import NotApplied
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback
from remediation.executors.section import TargetsFileInvalid
from tests.executors import moto
from tests.executors.contract import AwsWorld, UserKeysWorld, clearance

ROLE = f"arn:aws:iam::{moto.ACCOUNT}:role/hitl-operator"
ASSUMER = moto.logins("1")["assumer"]["id"]


class Assuming(UserKeysWorld):
    login = "assumer"


class AssumingKey(AwsWorld):
    """A world of one key, whose worker has a login that may only assume the role."""

    def toml(self, port: int | None = None) -> str:
        text = super().toml(port).replace(moto.logins("1")["operator"]["id"], ASSUMER)
        (self.directory / "operate.secret").write_text("assumer\n")
        return f'{text}operate_role_arn = "{ROLE}"\n'


def sessions(simulator: moto.Moto, plan: Any) -> list[dict[str, Any]]:
    """Return the parameters of the calls that assumed the role for a plan."""
    name = f"hitl-{plan.digest[:12]}-0"
    lines = [line for line in simulator.lines() if line["call"] == "sts:AssumeRole"]
    return [line["parameters"] for line in lines if line["parameters"]["RoleSessionName"] == name]


def policy_for(user: str, action: str) -> dict[str, Any]:
    users = f"arn:aws:iam::{moto.ACCOUNT}:user"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "HitlportalOneStep",
                "Effect": "Allow",
                "Action": action,
                "Resource": [f"{users}/{user}", f"{users}/*/{user}"],
            }
        ],
    }


def test_making_a_key_is_cut_to_creating_one_of_this_user(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    world = Assuming("aws.user_keys.create_key", tmp_path, simulator)
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    (asked,) = sessions(simulator, plan)
    assert asked["RoleArn"] == ROLE
    shown = run_observe(world.step, targets).shown
    assert shown["uncut"] == ["the simulator ignores session policies"]
    assert json.loads(asked["Policy"]) == policy_for(world.user.name, "iam:CreateAccessKey")
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    undo = json.loads(sessions(simulator, plan)[1]["Policy"])
    assert undo == policy_for(world.user.name, "iam:DeleteAccessKey")
    changes = [line for line in simulator.lines_of(world.user.name) if _changes(line)]
    assert [line["call"] for line in changes] == ["iam:CreateAccessKey", "iam:DeleteAccessKey"]
    assert all(line["key"].startswith("ASIA") for line in changes)
    assert {line["account"] for line in changes} == {moto.ACCOUNT}


def _changes(line: dict[str, Any]) -> bool:
    return not line["call"].startswith(("iam:Get", "iam:List"))


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("aws.iam.deactivate_access_key", "iam:UpdateAccessKey"),
        ("aws.iam.activate_access_key", "iam:UpdateAccessKey"),
        ("aws.access_key.delete", "iam:DeleteAccessKey"),
    ],
)
def test_changing_a_key_is_cut_to_this_change_of_its_user(
    simulator: moto.Moto, tmp_path: Path, action: str, allowed: str
) -> None:
    world = AssumingKey(action, tmp_path, simulator)
    plan = world.plan()
    run_apply(clearance(plan), plan.body, 0, world.targets())
    (asked,) = sessions(simulator, plan)
    assert json.loads(asked["Policy"]) == policy_for(world.user.name, allowed)
    (call,) = [line for line in simulator.lines(world.user.key) if _changes(line)]
    assert (call["call"], call["status"]) == (allowed, 200)


def test_a_login_that_may_only_assume_the_role_changes_nothing_by_itself(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    """The twin: the same login without the role in the targets file."""
    world = AssumingKey("aws.iam.deactivate_access_key", tmp_path, simulator)
    text = world.toml()
    world.toml = lambda port=None: text.replace(f'operate_role_arn = "{ROLE}"\n', "")  # type: ignore[method-assign]
    with pytest.raises(NotApplied, match="AccessDenied"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def test_a_role_that_cannot_be_assumed_changes_nothing(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    world = AssumingKey("aws.iam.deactivate_access_key", tmp_path, simulator)
    text = world.toml().replace(ASSUMER, moto.logins("1")["observer"]["id"])
    world.toml = lambda port=None: text  # type: ignore[method-assign]
    (tmp_path / "operate.secret").write_text("observer")
    with pytest.raises(NotApplied, match="the role was not assumed"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def test_a_role_of_another_account_is_refused_in_the_targets_file(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    world = AssumingKey("aws.iam.deactivate_access_key", tmp_path, simulator)
    text = world.toml().replace(ROLE, ROLE.replace(moto.ACCOUNT, moto.OTHER_ACCOUNT))
    world.toml = lambda port=None: text  # type: ignore[method-assign]
    with pytest.raises(TargetsFileInvalid, match="no role of this account"):
        world.targets()
