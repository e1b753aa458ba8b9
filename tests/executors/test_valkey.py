"""Users of a real Valkey: what is cut, what stays, and which rights that takes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from audit.tlog.canonical import Json
from hitlportal.demo.servers.account import remove_home
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.observation import Observation
from remediation.executors.base import Candidate, Deadline, Settled
from remediation.executors.errors import NotApplied
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_secret_in_force,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.valkey import SERVER, TargetServer, ValkeyPlace, ValkeyWorld, rights

DISABLE, ENABLE = "valkey.user.disable", "valkey.user.enable"


@pytest.fixture
def world(tmp_path: Path, valkey_place: ValkeyPlace) -> Iterator[ValkeyWorld]:
    made = ValkeyWorld(DISABLE, tmp_path, valkey_place)
    yield made
    made.close()


def run(world: ValkeyWorld, action: str = DISABLE, **parameters: bool) -> None:
    """Observe, check, apply and verify, as a run does."""
    plan, targets = make_plan(action, world.target, {**parameters}), world.targets()
    run_prepare(clearance(plan), plan.body, 0, targets, run_observe(plan.steps[0], targets))
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)


def test_off_keeps_open_connections_and_the_page_says_so(world: ValkeyWorld) -> None:
    run(world, end_connections=False)
    assert world.held.ping()
    with pytest.raises(redis.AuthenticationError):
        world.connect().ping()
    seen = run_observe(world.step, world.targets())
    assert (seen.state["status"], seen.shown["connections"]) == ("off", 1)
    executor = executor_of(world.step)
    assert [point.without_access for point in executor.points(world.step, seen)] == [False]


def test_with_its_connections_ended_a_user_is_without_access(world: ValkeyWorld) -> None:
    run(world, end_connections=True)
    with pytest.raises(redis.ConnectionError):
        world.held.ping()
    seen = run_observe(world.step, world.targets())
    executor = executor_of(world.step)
    assert [point.without_access for point in executor.points(world.step, seen)] == [True]


def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-valkey-"))
    directory.chmod(0o711)
    server = TargetServer(directory / "valkey")
    server.start()
    try:
        world = ValkeyWorld(DISABLE, tmp_path, ValkeyPlace(server))
        assert run_observe(world.step, world.targets()).shown["persisted"]
        run(world, end_connections=True)
        server.restart()
        assert run_observe(world.step, world.targets()).state["status"] == "off"
    finally:
        server.stop()
        remove_home(server.home)
        shutil.rmtree(directory)


def test_what_was_off_before_stays_off_when_the_run_is_undone(world: ValkeyWorld) -> None:
    plan, targets = make_plan(DISABLE, world.target, {"end_connections": False}), world.targets()
    world.place.admin.execute_command("ACL SETUSER", world.user, "off")
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert " off " in world.place.listed(world.user)


def test_the_pin_shows_categories_of_commands_and_the_end_of_long_rules(
    world: ValkeyWorld,
) -> None:
    """A user that is given +@all since people decided is another one."""
    admin, pins = world.place.admin, set[str]()
    for rules in (
        [], ["+@all"], ["-@all", "+@read"], [f"~{'k' * 900}{n}" for n in range(2)],
        [f"~{'k' * 900}{n}" for n in (2, 3)],
    ):  # fmt: skip
        admin.execute_command("ACL SETUSER", world.user, *rules)
        pins.add(str(run_observe(world.step, world.targets()).state["rights"]))
    assert len(pins) == 5 and all(len(pin) < 1_600 for pin in pins)
    assert any("+@all" in pin for pin in pins) and all("k2" not in pin for pin in pins)


def test_what_reached_one_node_only_is_not_called_nothing(world: ValkeyWorld) -> None:
    executor, seen = executor_of(world.step), run_observe(world.step, world.targets())
    [(node, one)] = cast("dict[str, dict[str, Json]]", seen.shown["nodes"]).items()
    nodes: Json = {node: one, "second": {**one, "status": "off"}}
    mixed = Observation(
        True, {**seen.state, "status": "mixed"}, {**seen.shown, "nodes": nodes}, False
    )
    before = executor.snapshot(seen)
    assert executor.settled_from(world.step, seen, before, {}) is Settled.NOT_APPLIED
    was = {**before, "nodes": {node: "on", "second": "on"}}
    assert executor.settled_from(world.step, mixed, was, {}) is None
    same = {**before, "nodes": {node: "on", "second": "off"}}
    assert executor.settled_from(world.step, mixed, same, {}) is Settled.NOT_APPLIED


def test_of_a_user_that_takes_any_password_nothing_is_called_wrong(world: ValkeyWorld) -> None:
    world.place.admin.execute_command("ACL SETUSER", world.user, "nopass")
    found = run_secret_in_force(world.step, world.targets(), [Candidate(("x",), "generic")])
    assert found.answers == (None,) and "any password" in found.why


def test_no_password_and_no_hash_is_shown(world: ValkeyWorld) -> None:
    seen = repr(run_observe(world.step, world.targets()).to_json())
    line = world.place.listed(world.user)
    hashed = next(word for word in line.split() if word.startswith("#"))[1:]
    assert hashed not in seen and world.password not in seen
    assert run_observe(world.step, world.targets()).shown["passwords"] == 1


def test_a_leaked_password_is_compared_without_a_sign_in(world: ValkeyWorld) -> None:
    world.place.admin.execute_command("ACL LOG", "RESET")
    given = [Candidate((world.password,), "generic"), Candidate(("another",), "generic")]
    found = run_secret_in_force(world.step, world.targets(), given)
    assert found.answers == (True, False)
    world.place.admin.execute_command("ACL SETUSER", world.user, f"<{world.password}")
    assert run_secret_in_force(world.step, world.targets(), given).answers == (False, False)
    logged = world.place.admin.execute_command("ACL LOG")
    assert [one for one in logged if one["reason"] == "auth"] == []


def test_with_one_right_less_each_action_refuses_and_nothing_changes(world: ValkeyWorld) -> None:
    admin, before = world.place.admin, world.look()
    words = rights("operate").split()
    needed = {DISABLE: ("acl|setuser", "acl|getuser", "acl|save", "config|get", "client|kill")}
    for action, names in needed.items():
        plan = make_plan(action, world.target, {"end_connections": True})
        for name in names:
            admin.execute_command("ACL SETUSER", "hitl_operate", f"-{name}")
            with pytest.raises(NotApplied):
                run_apply(clearance(plan), plan.body, 0, world.targets())
            assert world.look() == before, name
            admin.execute_command("ACL SETUSER", "hitl_operate", f"+{name}")
    assert "+acl|setuser" in words


def test_the_default_user_cannot_be_named() -> None:
    target = {"kind": "valkey.user", "server": SERVER, "user": "default"}
    with pytest.raises(BadInput):
        make_plan(DISABLE, {**target}, {"end_connections": True})


@pytest.mark.parametrize("name", ["näme", "with/slash", "a|b", "%20", "-", "off", "x" * 100])
def test_odd_names_are_targets_like_others(world: ValkeyWorld, name: str) -> None:
    admin = world.place.admin
    admin.execute_command("ACL SETUSER", name, "on", ">p", "+ping")
    try:
        target = {**world.target, "user": name}
        plan, targets = make_plan(DISABLE, target, {"end_connections": True}), world.targets()
        run_apply(clearance(plan), plan.body, 0, targets)
        assert f"user {name} off" in world.place.listed(name)
        assert world.held.ping()
    finally:
        admin.execute_command("ACL DELUSER", name)


def test_a_user_that_is_not_there_is_not_made(world: ValkeyWorld) -> None:
    plan = make_plan(ENABLE, world.gone, {})
    with pytest.raises(NotApplied, match="does not exist"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert not world.place.listed(f"{world.user}_gone")


def test_a_wrong_login_of_the_observer_is_said(world: ValkeyWorld) -> None:
    world.place.admin.execute_command("ACL SETUSER", "hitl_observe", "off")
    try:
        with pytest.raises(TargetUnobservable, match="AuthenticationError"):
            run_observe(world.step, world.targets())
    finally:
        world.place.admin.execute_command("ACL SETUSER", "hitl_observe", "on")


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ('["10.0.0.5:6379"]', "needs ca_file"),
        ('["127.0.0.1"]', "is not host:port"),
        ('["127.0.0.1:99999"]', "is not host:port"),
        ('["127.0.0.1:1", "127.0.0.1:1"]', "has one twice"),
        ('["127.0.0.1:1\\n"]', "is not host:port"),
    ],
)
def test_a_section_that_cannot_be_used_is_refused(tmp_path: Path, nodes: str, why: str) -> None:
    path = tmp_path / "targets.toml"
    path.write_text(
        f'[valkey.a]\nnodes = {nodes}\nobserve_user = "o"\nobserve_password = "p"\n'
        'operate_user = "p"\noperate_password_file = "f"\n'
    )
    with pytest.raises(TargetsFileInvalid, match=why):
        Targets.load(path, portal_system_identifier=None)


def test_no_time_left_changes_nothing(world: ValkeyWorld) -> None:
    plan, before = world.plan(), world.look()
    with pytest.raises(NotApplied, match="no time"):
        executor_of(plan.steps[0]).apply(
            clearance(plan), plan.steps[0], world.targets(), Deadline.within(1)
        )
    assert world.look() == before


def test_each_node_is_switched_and_read_by_itself(world: ValkeyWorld) -> None:
    """The lists of two nodes differ; undoing leads each back to what it was."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-valkey-"))
    directory.chmod(0o711)
    server = TargetServer(directory / "valkey")
    server.start()
    try:
        other = ValkeyPlace(server)
        for name, password in world.place.passwords.items():
            other.admin.execute_command("ACL SETUSER", f"hitl_{name}", "resetpass", f">{password}")
        other.admin.execute_command("ACL SETUSER", world.user, "off", f">{world.password}")
        toml = world.toml().replace(
            f'["{world.place.node}"]', f'["{world.place.node}", "{other.node}"]'
        )
        (world.directory / "two.toml").write_text(toml)
        targets = Targets.load(world.directory / "two.toml", portal_system_identifier=None)
        plan = make_plan(DISABLE, world.target, {"end_connections": True})
        seen = run_observe(plan.steps[0], targets)
        assert seen.state["status"] == "mixed"
        snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
        run_apply(clearance(plan), plan.body, 0, targets)
        run_verify(clearance(plan), plan.body, 0, targets)
        assert run_observe(plan.steps[0], targets).state["status"] == "off"
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
        assert " on " in world.place.listed(world.user) and " off " in other.listed(world.user)
    finally:
        server.stop()
        remove_home(server.home)
        shutil.rmtree(directory)
