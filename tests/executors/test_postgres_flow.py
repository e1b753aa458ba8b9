"""A leaked password is rotated from report to effect: the portal, a cluster, real consumers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.executors.stores.file import FileStore
from remediation.services.execution import execute
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.consumer import RunningConsumer, consumer
from tests.executors.flow import Rotation
from tests.executors.rotation import RotationWorld
from tests.flows.waiting import WHY

OLD = install.PASSWORD
# By how they take a new password: each 0.5 s, with each new connection, and never by itself.
CONSUMERS = {"orders-api": "poll", "orders-pool": "age", "orders-batch": "signal"}


class RoleRotation(Rotation):
    """A role, the store that its consumers read, and the consumers."""

    pg: RotationWorld

    def begin(self, pg: RotationWorld) -> None:
        self.pg = pg
        path = pg.directory / "targets.toml"
        path.write_text(pg.toml() + pg.store_toml(), encoding="utf-8")
        self.identity = self.role(pg.first)
        twins = [] if pg.role == pg.first else [self.role(pg.role)]
        self.at(path, self.identity, *twins, consumers=CONSUMERS)

    def role(self, name: str) -> dict[str, Json]:
        return {**self.pg.target, "role": name}

    def cut_first(self) -> None:
        """New password → wait until consumers moved → end the sessions of the old one."""
        self.order = "cut_first"
        begun_before: Json = {"made_by": 0, "name": "set_at"}
        self.steps = [
            {
                "action": "postgres.role.rotate_password",
                "target": self.identity,
                "parameters": {"store": "apps:orders/database", "end_sessions": False},
                "wait": self.wait("consumers_moved"),
            },
            {
                "action": "postgres.role.end_sessions",
                "target": self.identity,
                "parameters": {"begun_before": begun_before},
            },
        ]

    def move_first(self) -> None:
        """Second role → wait until consumers moved and the first is quiet → first one off."""
        self.steps = [
            {
                "action": "postgres.role.create_twin",
                "target": self.role(self.pg.role),
                "parameters": {"like": self.pg.first, "store": "apps:orders/database"},
                "wait": self.wait("consumers_moved", "old_quiet"),
            },
            {"action": "postgres.role.disable", "target": self.identity, "parameters": {}},
        ]

    def first_is_on(self) -> bool:
        query = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
        return bool(self.pg.ask(query, self.pg.first)[0])


@pytest.fixture
def make(
    db: None,
    tmp_path: Path,
    settings: Settings,
    newest_cluster: Cluster,
    django_capture_on_commit_callbacks: object,
) -> Callable[[str], RoleRotation]:
    """`make(action)` returns a world whose role is rotated by this action."""

    def made(action: str) -> RoleRotation:
        (tmp_path / "pg").mkdir()
        pg = RotationWorld(
            tmp_path / "pg", newest_cluster.superuser, newest_cluster.log, action=action
        )
        world = RoleRotation(tmp_path, settings, (pg.first,), "production")
        world.begin(pg)
        return world

    return made


@contextmanager
def running(pg: RotationWorld) -> Iterator[dict[str, RunningConsumer]]:
    """Run the consumers, each with a pool of the credential that the store has now."""
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(consumer(pg.superuser, pg.place / "current", name, how))
            for name, how in CONSUMERS.items()
        }
        for each in found.values():
            each.settle()
        yield found


# --- One role: cut first ------------------------------------------------------------------------


def test_the_run_names_the_one_consumer_that_does_not_move_and_a_person_ends_the_wait(
    make: Callable[[str], RoleRotation],
) -> None:
    world = make("postgres.role.rotate_password")
    world.cut_first()
    with running(world.pg) as consumers:
        proposal_id = world.approved()
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting", world.refusals(proposal_id)
        only = {"consumers_moved": "not_moved orders-batch"}
        clusters.until(lambda: world.unmet() == only, 60)
        assert world.state_of(proposal_id) == "waiting"
        batch = consumers["orders-batch"]
        assert batch.failures == [], "the sessions of its pool go on"

        signed = world.statement(world.answer("alice", proposal_id))
        assert (signed["decision"], signed["unmet"]) == ("go_on", ["consumers_moved"])
        world.tick()
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        assert world.pg.signs_in(world.pg.current) and not world.pg.signs_in(OLD)
        for name in ("orders-api", "orders-pool"):
            consumers[name].settle()
            before = len(consumers[name].failures)
            consumers[name].settle()
            assert len(consumers[name].failures) == before, name
        # It has no session any more, and the old password does not give it one.
        batch.settle()
        assert batch.failures and batch.counts()["refused"] > 0
        batch.reload()
        batch.settle()
        assert batch.counts()["version"].startswith("hitl-")


# --- Two roles: move first ----------------------------------------------------------------------


def test_the_first_role_stays_while_a_consumer_never_moves_and_a_halt_keeps_it(
    make: Callable[[str], RoleRotation],
) -> None:
    world = make("postgres.role.create_twin")
    world.move_first()
    with running(world.pg) as consumers:
        proposal_id = world.approved()
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting", world.refusals(proposal_id)
        world.until_unmet(consumers_moved="not_moved orders-batch", old_quiet="window_open")
        assert world.first_is_on() and world.state_of(proposal_id) == "waiting"

        world.halt("alice", proposal_id, WHY, "keep")
        world.tick()
        assert (world.state_of(proposal_id), world.reason_of(proposal_id)) == ("stopped", "halted")
        assert world.first_is_on() and world.pg.signs_in(OLD, world.pg.first)
        assert world.pg.signs_in(world.pg.current), "what was applied stays"
        for each in consumers.values():
            each.settle()
            assert (each.failures, each.counts()["refused"]) == ([], 0), each.name


def test_the_first_role_is_off_when_every_consumer_moved_and_no_request_failed(
    make: Callable[[str], RoleRotation],
) -> None:
    world = make("postgres.role.create_twin")
    world.move_first()
    with running(world.pg) as consumers:
        proposal_id = world.approved()
        world.execute(proposal_id)
        consumers["orders-batch"].reload()
        # The quiet window of PostgreSQL is a quarter of an hour; a person can go on before.
        world.until_unmet(old_quiet="window_open")
        assert world.statement(world.answer("bob", proposal_id))["unmet"] == ["old_quiet"]
        world.tick()
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        assert not world.first_is_on()
        for each in consumers.values():
            each.settle()
            assert (each.failures, each.counts()["refused"]) == ([], 0), each.name


# --- The store is away --------------------------------------------------------------------------


def test_a_store_that_is_away_before_the_call_keeps_the_run_approved_until_it_is_back(
    make: Callable[[str], RoleRotation],
) -> None:
    world = make("postgres.role.rotate_password")
    world.cut_first()
    proposal_id = world.approved()
    store, away = world.pg.directory / "store", world.pg.directory / "away"
    store.rename(away)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "approved"
    refusal = m.Refusal.objects.get(proposal_id=proposal_id)
    assert refusal.reason == "target_unobservable" and "store apps" in refusal.detail
    assert world.pg.changes() == 0 and world.pg.signs_in(OLD)
    away.rename(store)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "waiting"
    assert not world.pg.signs_in(OLD)


def test_a_store_that_goes_away_at_the_call_changes_nothing_and_the_run_has_failed(
    make: Callable[[str], RoleRotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make("postgres.role.rotate_password")
    world.cut_first()
    proposal_id = world.approved()
    store, away = world.pg.directory / "store", world.pg.directory / "away"
    run_apply = execute.run_apply

    def apply(*given: Any) -> Any:
        store.rename(away)
        return run_apply(*given)

    monkeypatch.setattr(execute, "run_apply", apply)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "failed", world.phases(proposal_id)
    assert world.phases(proposal_id) == [(0, "intended"), (0, "failed")]
    assert "store apps" in world.why_failed(proposal_id)
    assert world.pg.changes() == 0 and world.pg.signs_in(OLD)
    away.rename(store)
    assert world.pg.current == OLD and not (world.pg.place / "staged").is_symlink()


def test_a_store_that_goes_away_before_promoting_is_waited_for_and_gets_the_new_one(
    make: Callable[[str], RoleRotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target takes the new password already, so giving up would leave nobody with it."""
    world = make("postgres.role.rotate_password")
    world.cut_first()
    proposal_id = world.approved()
    store, away = world.pg.directory / "store", world.pg.directory / "away"
    promote = FileStore.promote

    def lost(self: FileStore, *given: Any) -> None:
        store.rename(away)
        promote(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "promote", lost)
        world.execute(proposal_id)
    assert world.state_of(proposal_id) == "executing"
    assert world.phases(proposal_id) == [(0, "intended"), (0, "applied")]
    world.age("steprecord", minutes=5)
    world.tick(2)
    assert world.state_of(proposal_id) == "executing", world.reason_of(proposal_id)
    away.rename(store)
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting", world.phases(proposal_id)
    assert world.pg.signs_in(world.pg.current) and not world.pg.signs_in(OLD)
