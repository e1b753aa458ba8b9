"""Old connections of a real Valkey's users: which end, which stay, what is told before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from audit.tlog.canonical import encode
from remediation.domain import instant
from remediation.domain.errors import TargetUnobservable
from remediation.executors import valkey_calls
from remediation.executors.errors import NotApplied
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_prepare,
    run_traces,
    run_verify,
    would_refuse,
)
from remediation.executors.targets import Targets
from tests.executors.clusters import until
from tests.executors.contract import clearance, closed_port, make_plan
from tests.executors.valkey import ValkeyPlace, ValkeyWorld, rights

END, DISABLE = "valkey.user.end_connections", "valkey.user.disable"


@pytest.fixture
def world(tmp_path: Path, valkey_place: ValkeyPlace) -> Iterator[ValkeyWorld]:
    made = ValkeyWorld(END, tmp_path, valkey_place)
    yield made
    made.close()


def apply(world: ValkeyWorld) -> dict[str, Any]:
    """Observe, check, apply and verify, as a run does."""
    plan, targets = world.plan(), world.targets()
    run_prepare(clearance(plan), plan.body, 0, targets, run_observe(plan.steps[0], targets))
    done = run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)
    return dict(done.detail)


def a_second_later(world: ValkeyWorld) -> None:
    """Wait until a new connection began in a later second than the cut, by the node's clock."""
    cut = instant.parse(world.cut).timestamp()
    until(lambda: int(world.place.admin.time()[0]) > cut + 1)


def test_old_ones_end_younger_ones_and_other_users_go_on(world: ValkeyWorld) -> None:
    other = ValkeyWorld(END, world.directory, world.place)
    listening = world.connect().pubsub()
    world.place.admin.execute_command("ACL SETUSER", world.user, "+@pubsub", "&*")
    listening.subscribe("news")
    assert listening.get_message(timeout=5)["type"] == "subscribe"
    world.cut = instant.dump(datetime.now(UTC))
    a_second_later(world)
    young = world.connect()
    assert young.ping()
    before = world.look()
    assert apply(world) == {"ended": 2}
    assert young.ping() and other.held.ping()
    for ended in (world.held.ping, lambda: listening.get_message(timeout=5)):
        with pytest.raises(redis.ConnectionError):
            ended()
    assert world.connect().ping(), "the user stays on, and a client connects again at once"
    assert world.look() == before
    assert apply(world) == {"ended": 0}
    other.close()


def test_what_will_end_is_told_without_arguments(world: ValkeyWorld) -> None:
    secret = "geheim-4711"
    named = world.connect()
    named.client_setname("<b>cart</b>" + "x" * 200)
    named.set("cart:1", secret)
    world.cut = instant.dump(datetime.now(UTC))
    world.hide_operate_credential()
    told = run_traces(world.step, world.targets())
    encode(dict(told))
    first, second = told["connections"]  # type: ignore[misc]
    assert first.keys() == {"node", "address", "name", "age_s", "idle_s", "command"}
    assert (first["command"], second["command"]) == ("ping", "set")
    assert second["name"].startswith("<b>cart</b>xx") and len(second["name"]) == 100
    assert second["address"] == "127.0.0.1" and second["idle_s"] <= second["age_s"] <= 30
    assert secret not in repr(told) and world.password not in repr(told)

    def disable(ends: bool) -> dict[str, Any]:
        step = make_plan(DISABLE, world.target, {"end_connections": ends}).steps[0]
        return dict(run_traces(step, world.targets()))

    assert len(disable(ends=True)["connections"]) == 2 and disable(ends=False) == {}
    enable = make_plan("valkey.user.enable", world.target, {}).steps[0]
    assert run_traces(enable, world.targets()) == {}
    world.cut = instant.dump(datetime.now(UTC) - timedelta(hours=1))
    assert run_traces(world.step, world.targets()) == {}
    many = [world.connect() for _ in range(101)]
    assert all(one.ping() for one in many)
    told = disable(ends=True)
    assert len(told["connections"]) == 100 and told["more"] == 3
    assert len(encode(told)) < 30_000
    for one in (*many, named):
        one.close()


def test_with_one_right_less_nothing_is_ended(world: ValkeyWorld) -> None:
    admin, plan = world.place.admin, world.plan()
    for name in ("client|list", "time", "client|kill", "acl|getuser", "acl|dryrun"):
        assert f"+{name}" in rights("operate")
        admin.execute_command("ACL SETUSER", "hitl_operate", f"-{name}")
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        admin.execute_command("ACL SETUSER", "hitl_operate", f"+{name}")
        assert world.held.ping(), name
    for name in ("client|list", "time", "acl|getuser"):
        assert f"+{name}" in rights("observe")
        admin.execute_command("ACL SETUSER", "hitl_observe", f"-{name}")
        with pytest.raises(TargetUnobservable, match="NoPermission"):
            run_observe(plan.steps[0], world.targets())
        if name != "acl|getuser":
            with pytest.raises(TargetUnobservable):
                run_traces(plan.steps[0], world.targets())
        if name == "time":  # an observer of before this action still serves the others
            step = make_plan(DISABLE, world.target, {"end_connections": True}).steps[0]
            assert run_observe(step, world.targets()).exists
            assert run_traces(step, world.targets())
        admin.execute_command("ACL SETUSER", "hitl_observe", f"+{name}")


def test_a_time_to_come_and_a_wrong_clock_are_refused(
    world: ValkeyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cut = instant.dump(datetime.now(UTC) + timedelta(minutes=1))
    seen = run_observe(world.step, world.targets())
    assert "has not come yet" in would_refuse(world.step, seen)
    plan = world.plan()
    with pytest.raises(NotApplied, match="has not come yet"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    world.cut = instant.dump(datetime.now(UTC))
    plan = world.plan()
    for minutes in (-1, 1):
        away = datetime.now(UTC) + timedelta(minutes=minutes)
        monkeypatch.setattr(valkey_calls, "_clock", lambda _, at=away: at)
        with pytest.raises(NotApplied, match="clock differs by"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.held.ping()


def test_a_node_that_is_away_keeps_all_connections(world: ValkeyWorld) -> None:
    plan = world.plan()
    with closed_port() as port:
        toml = world.toml().replace(
            f'["{world.place.node}"]', f'["{world.place.node}", "127.0.0.1:{port}"]'
        )
        (world.directory / "two.toml").write_text(toml)
        targets = Targets.load(world.directory / "two.toml", portal_system_identifier=None)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, targets)
        with pytest.raises(TargetUnobservable):
            run_traces(plan.steps[0], targets)
    assert world.held.ping()
