"""Make a second access key in the simulated AWS and deliver it; every refusal has its twin."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from audit.tlog.canonical import Json
from remediation.domain import live
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.executors import aws_create, aws_key_calls, aws_user_keys
from remediation.executors.base import Deadline, Outcome, Settled
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
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
    run_tighten,
    run_verify,
    would_refuse,
)
from remediation.executors.secret import SecretValue
from remediation.executors.stores.store import Staged, StagedByOther
from remediation.executors.targets import Targets
from tests.executors import moto
from tests.executors.contract import UserKeysWorld, clearance
from tests.executors.lagging import LaggingIam, Reads, lagging

CREATE = "aws.user_keys.create_key"


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> UserKeysWorld:
    return UserKeysWorld(CREATE, tmp_path, simulator)


@pytest.fixture
def slow(simulator: moto.Moto, tmp_path: Path) -> UserKeysWorld:
    """A user whose new keys are refused for some seconds."""
    kind = type("SlowWorld", (UserKeysWorld,), {"slow": True})
    return kind(CREATE, tmp_path, simulator)


@pytest.fixture
def iam(world: UserKeysWorld) -> Iterator[LaggingIam]:
    with lagging(world.moto.url, Reads.STALE) as started:
        started.spread()
        yield started


def seen(world: UserKeysWorld) -> Observation:
    return run_observe(world.step, world.targets())


def refusal(world: UserKeysWorld) -> str:
    """Return why reviewers are told that it cannot be run; "" if it can."""
    return would_refuse(world.step, seen(world))


def apply(world: UserKeysWorld, port: int | None = None) -> Outcome:
    plan = world.plan()
    return run_apply(clearance(plan), plan.body, 0, world.targets(port))


def creations(world: UserKeysWorld) -> list[dict[str, Any]]:
    lines = world.moto.lines_of(world.user.name)
    return [line for line in lines if line["call"] == "iam:CreateAccessKey"]


# --- What it does -------------------------------------------------------------------------------


def test_the_new_key_is_what_consumers_read_and_both_keys_are_taken(world: UserKeysWorld) -> None:
    made = apply(world).made
    delivered = world.delivered()
    assert delivered["access_key_id"] == made["access_key_id"] != world.user.key
    for key, secret in ((world.user.key, world.user.secret), tuple(delivered.values())):
        who = world.moto.client(key, secret, "sts").get_caller_identity()
        assert who["Arn"].endswith(f"user/{world.user.name}")
    assert world.moto.keys_of(world.user.name) == {
        world.user.key: "Active",
        made["access_key_id"]: "Active",
    }
    (call,) = creations(world)
    assert call["parameters"] == {"UserName": world.user.name}


def test_a61_the_secret_stands_in_no_log_no_record_and_no_error(
    world: UserKeysWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen(world))
    outcome = run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    verified = run_verify(clearance(plan), plan.body, 0, targets)
    secret = world.delivered()["secret_access_key"]
    assert len(secret) == 40
    assert secret not in caplog.text + repr(outcome) + repr(verified) + repr(seen(world))
    assert secret not in world.moto.log.read_text()
    store = world.directory / "store"
    for path in world.directory.rglob("*"):
        if path.is_file() and not path.is_relative_to(store):
            assert secret.encode() not in path.read_bytes()


def test_each_slot_is_named_with_its_last_use_and_none_is_not_never(world: UserKeysWorld) -> None:
    made = apply(world).made["access_key_id"]
    by_id = {slot["id"]: slot for slot in _slots(seen(world))}
    assert set(by_id) == {world.user.key, made}
    assert by_id[world.user.key]["last_used"] == "2026-11-01T08:00:00+00:00"
    assert by_id[made]["last_used_service"] == "sts", "the worker's own try"
    assert seen(world).simulated
    (uncut,) = seen(world).shown["uncut"]  # type: ignore[misc]
    assert "no operate_role_arn" in str(uncut)


def _slots(observation: Observation) -> list[dict[str, Json]]:
    slots = observation.shown["slots"]
    assert isinstance(slots, list)
    return [slot for slot in slots if isinstance(slot, dict)]


# --- What it refuses ----------------------------------------------------------------------------


def test_f27_a_user_with_two_keys_gets_no_third_and_none_is_freed(world: UserKeysWorld) -> None:
    """The twin with one key is every other test here."""
    admin = world.moto.admin()
    second = admin.create_access_key(UserName=world.user.name)["AccessKey"]["AccessKeyId"]
    admin.update_access_key(
        UserName=world.user.name, AccessKeyId=second, Status="Inactive"
    )  # "the inactive one, surely"
    why = refusal(world)
    assert f"{world.user.key} Active, created 2023" in why and f"{second} Inactive" in why
    assert "None is freed for its age" in why
    with pytest.raises(NotApplied, match="the user has 2 keys"):
        apply(world)
    assert creations(world) == []
    assert set(world.moto.keys_of(world.user.name)) == {world.user.key, second}


def test_a_key_that_the_plan_does_not_know_is_refused_and_named(world: UserKeysWorld) -> None:
    admin = world.moto.admin()
    assert refusal(world) == ""
    admin.delete_access_key(UserName=world.user.name, AccessKeyId=world.user.key)
    intruders = admin.create_access_key(UserName=world.user.name)["AccessKey"]["AccessKeyId"]
    assert f"does not know key {intruders}, which may be an intruder's" in refusal(world)
    with pytest.raises(NotApplied, match=intruders):
        apply(world)
    assert creations(world) == []


def test_a_plan_without_an_old_key_is_for_a_user_without_keys(world: UserKeysWorld) -> None:
    without = type("Without", (UserKeysWorld,), {"parameters": {"store": f"apps:{world.path}"}})
    world.__class__ = without
    assert f"does not know key {world.user.key}" in refusal(world)
    world.moto.admin().delete_access_key(UserName=world.user.name, AccessKeyId=world.user.key)
    assert refusal(world) == ""
    assert apply(world).made["access_key_id"] in world.moto.keys_of(world.user.name)


@pytest.mark.parametrize(
    ("tag", "owned"),
    [
        (("ManagedBy", "Terraform"), True),
        (("aws-cloudformation:stack-name", "apps"), True),
        (("rotated-by", "iam-key-rotator"), True),
        (("managed_by", "manual"), False),
        (("team", "terraform"), False),
    ],
)
def test_f30_another_owner_of_the_rotation_is_refused_and_named(
    world: UserKeysWorld, tag: tuple[str, str], owned: bool
) -> None:
    tags = [{"Key": tag[0], "Value": tag[1]}]
    world.moto.admin().tag_user(UserName=world.user.name, Tags=tags)
    why = refusal(world)
    assert bool(why) == owned
    if owned:
        assert f"tag {tag[0]} = {tag[1]}" in why and "Two owners undo each other" in why
        with pytest.raises(NotApplied, match="rotates this user's keys"):
            apply(world)
        assert creations(world) == []


def test_the_portals_own_login_is_never_rotated(world: UserKeysWorld) -> None:
    observer = moto.logins("1")["observer"]
    world.user = moto.User(observer["user"], observer["id"], "")
    assert "this portal, whose own login is key" in refusal(world)
    with pytest.raises(NotApplied, match="this portal"):
        apply(world)
    assert creations(world) == []


def test_f20_a_version_that_somebody_else_staged_is_left_alone(world: UserKeysWorld) -> None:
    place = world.directory / "store" / world.path
    (place / "staged").symlink_to("versions/hitl-ffffffffffff-3")
    assert "a version is staged" in refusal(world)
    with pytest.raises(NotApplied, match="hitl-ffffffffffff-3"):
        apply(world)
    assert creations(world) == []
    (place / "staged").unlink()
    assert refusal(world) == ""


def test_a_place_that_the_targets_file_does_not_allow_is_refused(world: UserKeysWorld) -> None:
    good = world.toml
    assert run_observe(world.step, world.targets()).exists
    world.toml = lambda port=None: good(port).replace('"robots/*"', '"other/*"')  # type: ignore[method-assign]
    with pytest.raises(TargetUnobservable, match="takes nothing of"):
        seen(world)
    with pytest.raises(NotApplied, match="takes nothing of"):
        apply(world)
    assert creations(world) == []


# --- What goes wrong ----------------------------------------------------------------------------


def test_a40_a_lost_answer_is_never_answered_with_a_second_key(
    world: UserKeysWorld, iam: LaggingIam
) -> None:
    """F21, F22: the secret is lost with the answer; nobody guesses, and undoing takes it away."""
    before = seen(world)
    iam.lost = True
    with pytest.raises(OutcomeUnknown):
        apply(world, iam.port)
    iam.lost = False
    iam.spread()
    (lost,) = set(world.moto.keys_of(world.user.name)) - {world.user.key}
    executor, now = executor_of(world.step), seen(world)
    assert executor.found_made(now, before.state) is None
    assert executor.settled_from(world.step, now, before.state, {}) is None
    with pytest.raises(NotApplied, match=lost):
        apply(world)
    assert len(creations(world)) == 1
    assert world.delivered()["access_key_id"] == world.user.key
    plan = world.plan()
    undone = run_rollback(
        clearance(plan, rollback=True), plan.body, 0, world.targets(), before.state
    )
    assert undone.detail["deleted"] == lost
    assert world.moto.keys_of(world.user.name) == {world.user.key: "Active"}


def test_a_key_that_the_store_does_not_take_is_deleted_again(
    world: UserKeysWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has its secret any more; the twin is every delivery above."""
    before, targets, plan = world.look(), world.targets(), world.plan()
    make = aws_key_calls.KeyCalls.make

    def overtaken(calls: aws_key_calls.KeyCalls) -> SecretValue:
        value, other = make(calls), SecretValue({"access_key_id": "x"})
        stage = targets.stores["apps"].stage
        stage(clearance(plan), world.path, Staged("v-9", "a colleague"), other, Deadline.within(20))
        return value

    monkeypatch.setattr(aws_key_calls.KeyCalls, "make", overtaken)
    with pytest.raises(StagedByOther):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.look() == before
    calls = [line["call"] for line in world.moto.lines_of(world.user.name)]
    assert [call for call in calls if call.startswith(("iam:Create", "iam:Delete"))] == [
        "iam:CreateAccessKey",
        "iam:DeleteAccessKey",
    ]


def test_f18_a_fresh_key_is_refused_for_seconds_and_then_taken(slow: UserKeysWorld) -> None:
    made = apply(slow).made
    assert slow.delivered()["access_key_id"] == made["access_key_id"]
    refused = [line for line in slow.moto.lines() if line["key"] == made["access_key_id"]]
    assert {line["status"] for line in refused} == {200, 403}, "the refusal was met"


def test_f18_a_key_that_is_refused_longer_is_not_failed_and_not_promoted(
    slow: UserKeysWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_create, "PATIENCE_SECONDS", 0.0)
    plan, targets, before = slow.plan(), slow.targets(), seen(slow)
    executor = executor_of(slow.step)
    mine = clearance(plan, proposal=str(uuid4()))
    with pytest.raises(PartlyApplied) as unproved:
        run_apply(mine, plan.body, 0, targets)
    made = unproved.value.made
    assert slow.delivered()["access_key_id"] == slow.user.key, "consumers read the old one"
    now = seen(slow)
    assert executor.settled_from(slow.step, now, before.state, made) is None
    assert executor.left_open(slow.step, now) == (
        f"key {made['access_key_id']} was made, and consumers do not read it yet",
    )
    assert executor.found_made(now, before.state) == made, "after a crash the store tells"
    with pytest.raises(StagedByOther):  # another proposal of the same plan
        run_tighten(clearance(plan), plan.body, 0, targets)
    _until(lambda: _taken(mine, plan, targets))
    assert run_verify(mine, plan.body, 0, targets).made == made
    assert slow.delivered()["access_key_id"] == made["access_key_id"]
    now = seen(slow)
    assert executor.left_open(slow.step, now) == ()
    assert executor.settled_from(slow.step, now, before.state, made) is Settled.APPLIED
    assert len(creations(slow)) == 1


def _taken(mine: Clearance, plan: Plan, targets: Targets) -> bool:
    try:
        run_tighten(mine, plan.body, 0, targets)
    except OutcomeUnknown:
        return False
    return True


def _until(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up, "never"
        time.sleep(0.1)


def test_f28_a_key_that_the_plan_did_not_make_is_a_finding_afterwards(world: UserKeysWorld) -> None:
    world.moto.admin().delete_access_key(UserName=world.user.name, AccessKeyId=world.user.key)
    world.__class__ = type(
        "Without", (UserKeysWorld,), {"parameters": {"store": f"apps:{world.path}"}}
    )
    plan, targets = world.plan(), world.targets()
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)
    third = world.moto.admin().create_access_key(UserName=world.user.name)["AccessKey"]
    with pytest.raises(VerifyFailed, match=third["AccessKeyId"]):
        run_verify(clearance(plan), plan.body, 0, targets)


def test_a67_a_new_key_that_a_stale_read_does_not_show_is_confirmed_later(
    world: UserKeysWorld, iam: LaggingIam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_create, "VERIFY_SECONDS", 0.0)
    plan, targets = world.plan(), world.targets(iam.port)
    run_observe(world.step, targets)
    made = run_apply(clearance(plan), plan.body, 0, targets).made
    with pytest.raises(VerifyFailed, match="not listed as Active"):
        run_verify(clearance(plan), plan.body, 0, targets)
    iam.spread()
    assert run_verify(clearance(plan), plan.body, 0, targets).made == made
    assert len(creations(world)) == 1


# --- Undoing ------------------------------------------------------------------------------------


def test_undoing_deletes_the_made_key_only_while_nobody_uses_it(world: UserKeysWorld) -> None:
    plan, targets, before = world.plan(), world.targets(), seen(world)
    made = apply(world).made["access_key_id"]
    delivered = world.delivered()
    world.moto.client(*delivered.values()).list_account_aliases()
    with pytest.raises(RollbackFailed, match=f"{made} is in use"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before.state)
    assert set(world.moto.keys_of(world.user.name)) == {world.user.key, made}
    assert world.delivered() == delivered


def test_undoing_gives_the_old_key_back_to_the_store_first(world: UserKeysWorld) -> None:
    plan, targets, before = world.plan(), world.targets(), seen(world)
    made = apply(world).made["access_key_id"]
    undone = run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before.state)
    assert undone.detail["deleted"] == made
    assert world.moto.keys_of(world.user.name) == {world.user.key: "Active"}
    assert world.delivered()["access_key_id"] == world.user.key
    assert seen(world).state == before.state


# --- Deleting -----------------------------------------------------------------------------------


def test_a_used_key_is_not_discarded(simulator: moto.Moto, tmp_path: Path) -> None:
    world = UserKeysWorld("aws.user_keys.discard_key", tmp_path, simulator)
    assert refusal(world) == ""
    held = simulator.lone_user()
    world.user = moto.User(held.name, held.key, held.key)
    assert "is in use (last 2026-11-01" in refusal(world)
    with pytest.raises(NotApplied, match="is in use"):
        apply(world)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        simulator.admin().delete_access_key(UserName=held.name, AccessKeyId="AKIANOSUCHKEY0000000")
    assert simulator.keys_of(held.name) == {held.key: "Active"}


@pytest.mark.parametrize(
    ("service", "minutes", "may_be_used"),
    [("sts", 1, False), ("sts", 15, False), ("sts", 16, True), ("s3", 1, True), ("", 0, False)],
)
def test_only_a_use_soon_after_it_was_made_can_be_the_workers_try_of_a_key(
    service: str, minutes: int, may_be_used: bool
) -> None:
    """A consumer that only assumes roles uses its key at STS, and nowhere else."""
    made = datetime(2026, 11, 1, tzinfo=UTC)
    used = made + timedelta(minutes=minutes) if service else None
    slot: dict[str, Json] = {
        "created": made.isoformat(),
        "last_used": used.isoformat() if used else None,
        "last_used_service": service or None,
    }
    assert aws_user_keys.may_be_used(slot) is may_be_used


def test_a_user_is_read_without_a_place_and_an_inactive_key_is_no_access(
    world: UserKeysWorld,
) -> None:
    """Pages read an identity by an action without parameters, see domain/live.py."""
    step = live.step_for(world.step.target.locator)
    assert step is not None
    found = run_live(step, world.targets())
    assert found.state["keys"] == [world.user.key]
    executor = executor_of(step)
    assert [point.without_access for point in executor.points(step, found)] == [False]
    world.moto.admin().update_access_key(
        UserName=world.user.name, AccessKeyId=world.user.key, Status="Inactive"
    )
    found = run_live(step, world.targets())
    assert [point.without_access for point in executor.points(step, found)] == [True]


def test_no_key_is_made_when_no_time_is_left_to_deliver_it(world: UserKeysWorld) -> None:
    plan, targets = world.plan(), world.targets()
    soon = Deadline.within(aws_key_calls.RESERVE_SECONDS)
    with pytest.raises(NotApplied, match="no time is left"):
        executor_of(world.step).apply(clearance(plan), world.step, targets, soon)
    assert creations(world) == []
    assert world.delivered()["access_key_id"] == world.user.key
