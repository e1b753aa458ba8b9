"""What an intruder does to the portal's policies, and which users are its own, in simulated AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remediation.domain.containment import Found, SeenPlace
from remediation.domain.plan import parse_target
from remediation.executors.aws_revoke import OTHER, text_for, times_in
from remediation.executors.aws_user_deny import POLICY
from remediation.executors.errors import NotApplied
from remediation.executors.run import executor_of, run_observe, run_prepare
from tests.executors import moto
from tests.executors.aws_policies import ALLOWED, BEFORE, DeniedUserWorld, RoleWorld, document
from tests.executors.contract import clearance, make_plan
from tests.executors.test_aws_policies import DENY, DENY_NAME, run


def found(world: DeniedUserWorld) -> Found:
    seen = run_observe(world.step, world.targets())
    [point] = executor_of(world.step).points(world.step, seen)
    return SeenPlace(point.place, point.without_access, point.open).found


def test_a68_a_policy_that_was_overwritten_or_deleted_is_access(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    """A place that "could not be read" would leave the incident contained."""
    for world, policy in (
        (DeniedUserWorld(DENY, tmp_path, simulator), POLICY),
        (RoleWorld(DENY_NAME, tmp_path, simulator), "HitlPortalDenySession-nightly"),
    ):
        run(world)
        assert found(world) is Found.WITHOUT
        world.put(policy, document(ALLOWED))
        assert found(world) is Found.ACCESS
    admin = simulator.admin()
    admin.delete_role_policy(RoleName=world.name, PolicyName=policy)
    assert found(world) is Found.ACCESS


def test_a06_a_key_that_is_there_twice_is_a_policy_of_another_form() -> None:
    """Whether the first or the last one counts, only IAM knows."""
    text = text_for([BEFORE])
    assert times_in(text) == [BEFORE]
    twice = (
        text.replace('"Effect":"Deny"', '"Effect":"Allow","Effect":"Deny"'),
        text.replace('"Statement":', f'"Statement":{json.dumps([ALLOWED])},"Statement":'),
        text.replace(
            '{"aws:TokenIssueTime":', '{"aws:TokenIssueTime":"1999","aws:TokenIssueTime":'
        ),
    )
    for each in twice:
        assert each != text and times_in(each) == [OTHER], each


def test_the_keys_of_a_store_are_the_portals_too(simulator: moto.Moto, tmp_path: Path) -> None:
    world = DeniedUserWorld(DENY, tmp_path, simulator)
    store = (
        '[store.apps]\nkind = "aws_secrets_manager"\nregion = "us-east-1"\nsimulated = true\n'
        f'endpoint_url = "{simulator.url}"\nobserve_access_key_id = "{world.user.key}"\n'
        'observe_secret_access_key = "x"\noperate_access_key_id = "AKIASTORE11111111111"\n'
        'operate_secret_access_key_file = "operate.secret"\n'
    )
    world.store_toml = lambda: store  # type: ignore[method-assign]
    targets, plan = world.targets(), world.plan()
    seen = run_observe(world.step, targets)
    with pytest.raises(NotApplied, match="the portal itself"):
        run_prepare(clearance(plan), plan.body, 0, targets, seen)
    key = {"kind": "aws.iam.access_key", "account": moto.ACCOUNT, "user": world.name}
    for key_id, own in ((world.user.key, True), ("AKIASTORE11111111111", True),
                        ("AKIAANOTHER111111111", False)):  # fmt: skip
        assert targets.is_own(parse_target({**key, "access_key_id": key_id})) is own
    other = make_plan(DENY, {**world.target, "user": "admin"}, {}).steps[0]
    assert run_observe(other, targets).shown["own"] == []
