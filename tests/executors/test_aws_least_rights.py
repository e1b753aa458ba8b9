"""Least rights: the documented policies are enough, and with one action less nothing is changed.

moto compares no resources, so the tests put `*` in their place, and it ignores session policies, so
the tests look at the policy that was sent.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import TargetUnobservable
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback
from tests.executors import moto
from tests.executors.aws_worlds import WORLDS
from tests.executors.contract import clearance
from tests.executors.test_aws_session import ASSUMER, sessions

PAGE = moto.ROOT / "docs/operate/aws-containment.md"
BLOCK = re.compile(r"\*\*(observer|operator)\*\* for ([^\n]*):\n\n```json\n(.*?)```", re.S)
# moto does not ask for it.
UNASKED = {"iam:PassRole"}
DOCUMENTED = [each for each in ACTIONS if each.rpartition(".")[0] in WORLDS]
_NUMBERS = itertools.count()


def documented() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the documented policies by action and login."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for who, actions, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for action in re.findall(r"`([^`]+)`", actions):
            assert found.setdefault(action, {}).setdefault(who, json.loads(text))
    return found


def actions_of(policy: dict[str, Any]) -> list[str]:
    return [action for each in policy["Statement"] for action in each["Action"]]


class Logins:
    """An observer and an operator with rights that a test sets."""

    def __init__(self, simulator: moto.Moto) -> None:
        self._admin, number = simulator.admin(), next(_NUMBERS)
        self.names = {who: f"least-{who}-{number}" for who in ("observer", "operator")}
        self.keys = {who: self._made(name) for who, name in self.names.items()}

    def _made(self, name: str) -> dict[str, str]:
        self._admin.create_user(UserName=name)
        made: dict[str, str] = self._admin.create_access_key(UserName=name)["AccessKey"]
        return made

    def may(self, who: str, actions: list[str]) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        name = self.names[who]
        self._admin.put_user_policy(UserName=name, PolicyName="least", PolicyDocument=text)

    def in_place_of(self, world: Any) -> None:
        """Let the world's targets file name these logins."""
        text = world.toml()
        for who, key in self.keys.items():
            text = text.replace(moto.logins("1")[who]["id"], key["AccessKeyId"])
        secret = self.keys["observer"]["SecretAccessKey"]
        text = text.replace('secret_access_key = "observer"', f'secret_access_key = "{secret}"')
        (world.directory / "operate.secret").write_text(self.keys["operator"]["SecretAccessKey"])
        world.toml = lambda port=None: text


def one_less(policy: dict[str, Any]) -> Iterator[list[str]]:
    whole = actions_of(policy)
    for left_out in [each for each in whole if each not in UNASKED]:
        # IAM takes no statement without an action.
        yield [each for each in whole if each != left_out] or ["sts:GetCallerIdentity"]


def test_each_action_has_its_policies_in_the_documents() -> None:
    found = documented()
    assert sorted(found) == sorted(DOCUMENTED)
    for action, policies in found.items():
        assert sorted(policies) == ["observer", "operator"], action
        for policy in policies.values():
            for each in policy["Statement"]:
                assert each["Effect"] == "Allow" and "*" not in "".join(each["Action"]), action
        reads = re.compile(r"[a-z0-9]+:(Get|List|Describe)\w+")
        assert all(reads.fullmatch(each) for each in actions_of(policies["observer"]))
        assert not any(reads.fullmatch(each) for each in actions_of(policies["operator"]))


@pytest.mark.parametrize("action", DOCUMENTED)
def test_the_documented_rights_are_enough_and_none_is_too_many(
    simulator: moto.Moto, tmp_path: Path, action: str
) -> None:
    world: Any = WORLDS[action.rpartition(".")[0]](action, tmp_path, simulator)
    logins, policies = Logins(simulator), documented()[action]
    logins.in_place_of(world)
    plan, targets = world.plan(), world.targets()
    observe, operate = (actions_of(policies[who]) for who in ("observer", "operator"))

    logins.may("operator", operate)
    for fewer in one_less(policies["observer"]):
        logins.may("observer", fewer)
        with pytest.raises(TargetUnobservable, match=r"AccessDenied|UnauthorizedOperation"):
            run_observe(world.step, targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, targets)
    assert world.changes() == 0
    logins.may("observer", observe)
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)

    back, refused = clearance(plan, rollback=True), 0
    for fewer in one_less(policies["operator"]):
        logins.may("operator", fewer)
        try:
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
        except NotApplied:
            refused += 1
            assert run_observe(world.step, targets).state == seen.state
            continue
        except PartlyApplied:
            refused += 1
            world.reset()
            continue
        if world.step.spec.reversible and len(operate) > 1:  # the right is that of the undoing
            with pytest.raises(RollbackFailed, match=r"AccessDenied|UnauthorizedOperation"):
                run_rollback(back, plan.body, 0, targets, snapshot)
            logins.may("operator", operate)
            run_rollback(back, plan.body, 0, targets, snapshot)
    assert refused == world.calls
    logins.may("operator", operate)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert run_observe(world.step, targets).state != seen.state


@pytest.mark.parametrize("action", DOCUMENTED)
def test_the_session_is_cut_to_one_action_on_one_resource(
    simulator: moto.Moto, tmp_path: Path, action: str
) -> None:
    world: Any = WORLDS[action.rpartition(".")[0]](action, tmp_path, simulator)
    world.login = "assumer"
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    assert seen.shown["uncut"] == ["the simulator ignores session policies"]
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    if world.step.spec.reversible:
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    found, undoing = documented(), world.step.spec.rollback
    allowed = [
        right for each in (action, undoing) if each for right in actions_of(found[each]["operator"])
    ]
    calls = world.lines()
    assert len(calls) == world.calls * (2 if world.step.spec.reversible else 1)
    asked = [json.loads(each["Policy"]) for each in sessions(simulator, plan)]
    for call, policy in zip(calls, asked, strict=True):
        statement, *passing = policy["Statement"]
        assert statement["Effect"] == "Allow" and statement["Action"] == call["call"]
        assert call["call"] in allowed and statement["Resource"] == world.resources_of(call)
        if call["call"] == "ec2:AssociateIamInstanceProfile":
            assert "iam:PassRole" in allowed
            [statement] = passing
            assert statement["Action"] == "iam:PassRole" and statement["Resource"] == [world.role]
            assert "iam:PassedToService" in statement["Condition"]["StringLike"]
        else:
            assert not passing
        assert call["key"].startswith("ASIA") and call["key"] != ASSUMER
