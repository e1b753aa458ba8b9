"""Rotation on a primary with a standby, and on one that keeps statement statistics."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.executors import postgres_rotate
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.postgres_rotate import RotatePassword
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_tighten,
    run_verify,
    would_refuse,
)
from remediation.executors.secret import forms
from tests.executors import clusters, install
from tests.executors.contract import CLUSTER, clearance, make_plan
from tests.executors.rotation import RotationWorld, cleared, service
from tests.executors.test_postgres_standby import NAME, STANDBY, Pair

OLD = install.PASSWORD


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    settings = {"log_statement": "all", "shared_preload_libraries": "pg_stat_statements",
                "pg_stat_statements.track": "all"}  # fmt: skip
    with (
        clusters.cluster("15", **settings) as primary,
        clusters.standby(primary, NAME, "15") as standby,
    ):
        with psycopg.connect(primary.superuser_dsn(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        yield Pair("15", primary, standby)


class PairWorld(RotationWorld):
    """A role on the pair; the targets file names the standby unless `named` is false."""

    def __init__(self, directory: Path, pair: Pair) -> None:
        self.pair, self.named = pair, True
        super().__init__(directory, pair.primary.superuser_dsn(), pair.primary.log)
        self.standby_observe = self.there(self.logins.observe)
        (directory / "standby.dsn").write_text(self.there(self.logins.operate))
        clusters.until(lambda: self.on_standby("SELECT 1 FROM pg_roles WHERE rolname = %s") == 1)

    def there(self, dsn: str) -> str:
        return dsn.replace(f":{urlsplit(dsn).port}/", f":{self.pair.standby.port}/")

    def on_standby(self, query: str) -> object:
        with psycopg.connect(self.pair.standby.superuser_dsn(), autocommit=True) as connection:
            row = connection.execute(query.encode(), [self.role]).fetchone()
            return row and row[0]

    def toml(self, port: int | None = None) -> str:
        standby = (
            f'[postgres.{CLUSTER}.standby.{NAME}]\nobserve_dsn = "{self.standby_observe}"\n'
            'operate_dsn_file = "standby.dsn"\n'
        )
        return super().toml(port) + (standby if self.named else "")

    def pause(self, paused: bool) -> None:
        call = "pg_wal_replay_pause" if paused else "pg_wal_replay_resume"
        self.on_standby(f"SELECT {call}() WHERE %s <> ''")


@pytest.fixture
def world(pair: Pair, tmp_path: Path) -> Iterator[PairWorld]:
    made = PairWorld(tmp_path, pair)
    yield made
    made.pause(False)


def test_the_old_one_is_proved_refused_on_the_standby_too(world: PairWorld) -> None:
    world.end_sessions = True
    with psycopg.connect(world.there(world.own_dsn), autocommit=True) as there:
        outcome = world.run()
        with pytest.raises(psycopg.OperationalError):
            there.execute("SELECT 1")
    assert outcome.detail["old_refused"] == {CLUSTER: True, STANDBY: True}
    psycopg.connect(world.there(world.own_dsn), password=world.current).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(world.there(world.own_dsn))
    seen = run_observe(world.step, world.targets())
    points = RotatePassword().points(world.step, seen)
    assert [(each.place, each.without_access) for each in points] == [
        (f"server {CLUSTER}", True),
        (f"server {STANDBY}", True),
    ]


def test_refused_is_not_claimed_while_a_standby_takes_the_old_one(
    world: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_rotate, "PATIENCE_SECONDS", 1.0)
    plan, snapshot = world.plan(), world.prepare()
    world.pause(True)
    with pytest.raises(PartlyApplied, match="not in force at each place; not promoted"):
        run_apply(cleared(plan), plan.body, 0, world.targets(), snapshot)
    psycopg.connect(world.there(world.own_dsn)).close()  # the standby still takes the old one
    assert world.current == OLD
    seen = run_observe(world.step, world.targets())
    left = RotatePassword().left_open(world.step, seen)
    assert f"server {STANDBY}: it still takes the earlier password" in left
    assert any("consumers read version by-hand" in each for each in left)
    world.pause(False)
    clusters.until(lambda: world.on_standby(
        "SELECT hitl_ops.password_id(oid) FROM pg_roles WHERE rolname = %s"
    ) == run_observe(world.step, world.targets()).state["password_id"])  # fmt: skip
    monkeypatch.undo()
    run_tighten(cleared(plan), plan.body, 0, world.targets())
    run_verify(cleared(plan), plan.body, 0, world.targets())
    assert world.signs_in(world.current)


def test_a_standby_that_cannot_be_asked_leaves_it_unproved(
    world: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_rotate, "PATIENCE_SECONDS", 0.5)
    plan, snapshot = world.plan(), world.prepare()
    world.standby_observe = world.standby_observe.replace("only-for-tests", "wrong")
    with pytest.raises(OutcomeUnknown, match="cannot tell whether the target takes"):
        run_apply(cleared(plan), plan.body, 0, world.targets(), snapshot)
    assert world.current == OLD
    world.standby_observe = world.there(world.logins.observe)
    monkeypatch.undo()
    world.run(plan, snapshot)
    assert world.signs_in(world.current)


def test_moved_is_not_claimed_while_a_standby_is_not_seen(world: PairWorld) -> None:
    dsn = f"{world.there(world.own_dsn)}?application_name=api"
    with psycopg.connect(dsn):
        snapshot = world.prepare()
        outcome = world.run(snapshot=snapshot)
        # Its only session is on the standby, and began with the old one.
        _, why = world.sighting("consumers_moved", outcome, snapshot, service("api"))
        assert why is not None and why.name == "not_moved"
        world.named = False
        for condition in ("consumers_moved", "old_quiet"):
            _, why = world.sighting(condition, outcome, snapshot, service("api"))
            assert why is not None and why.detail == f"standby {NAME} is not in the targets file"
        world.named = True
        world.standby_observe = world.standby_observe.replace("only-for-tests", "wrong")
        _, why = world.sighting("old_quiet", outcome, snapshot, service("api"))
        assert why is not None and f"server {STANDBY} was not looked at" in why.detail


def test_a61_no_value_stands_in_pg_stat_statements_or_the_logs_of_both_servers(
    world: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = postgres_rotate.make_password
    monkeypatch.setattr(
        postgres_rotate, "make_password", lambda: made.append(real()) or made[-1]
    )  # fmt: skip
    world.run()
    with psycopg.connect(world.superuser) as connection:
        rows = connection.execute("SELECT query FROM pg_stat_statements").fetchall()
    statements = "\n".join(str(query) for (query,) in rows)
    assert "hitl_ops.set_verifier" in statements
    logs = [
        each.log.read_text(errors="replace") for each in (world.pair.primary, world.pair.standby)
    ]
    assert "secret_in_force" in logs[0] and "secret_in_force" in logs[1]
    for text in (statements, *logs):
        assert not any(form in text for form in forms(made[0]))


def test_ending_old_sessions_on_both_servers_leaves_the_young_ones(world: PairWorld) -> None:
    with (
        psycopg.connect(world.own_dsn, autocommit=True) as old,
        psycopg.connect(world.there(world.own_dsn), autocommit=True) as old_there,
    ):
        old.execute("SELECT pg_sleep(0.1)")
        cut = instant.dump(datetime.now(UTC))
        old.execute(
            "SELECT pg_sleep(0.9)"
        )  # a busy machine computes the age before, and asks later
        with psycopg.connect(world.own_dsn, autocommit=True) as young:
            target: dict[str, Json] = dict(world.target)
            plan = make_plan("postgres.role.end_sessions", target, {"begun_before": cut})
            given = clearance(plan)
            assert run_apply(given, plan.body, 0, world.targets()).detail == {"sessions_ended": 2}
            run_verify(given, plan.body, 0, world.targets())
            young.execute("SELECT 1")
            for each in (old, old_there):
                with pytest.raises(psycopg.OperationalError):
                    each.execute("SELECT 1")


def test_a_session_that_does_not_end_is_not_called_ended(world: PairWorld) -> None:
    target: dict[str, Json] = dict(world.target)
    with psycopg.connect(world.own_dsn) as stuck:
        cut = instant.dump(datetime.now(UTC))
        plan = make_plan("postgres.role.end_sessions", target, {"begun_before": cut})
        os.kill(stuck.info.backend_pid, signal.SIGSTOP)
        try:
            with pytest.raises(PartlyApplied, match="have not ended yet"):
                run_apply(clearance(plan), plan.body, 0, world.targets())
        finally:
            os.kill(stuck.info.backend_pid, signal.SIGCONT)
    run_tighten(clearance(plan), plan.body, 0, world.targets())


@pytest.mark.parametrize("ahead_s", [8, 3600])  # a busy machine may take seconds
def test_a_moment_that_has_not_come_would_end_new_sessions_and_is_refused(
    world: PairWorld, ahead_s: int
) -> None:
    """The precheck asks the worker's clock, with a tolerance; the target's is asked before."""
    target: dict[str, Json] = dict(world.target)
    with psycopg.connect(world.own_dsn, autocommit=True) as young:
        cut = instant.dump(datetime.now(UTC) + timedelta(seconds=ahead_s))
        plan = make_plan("postgres.role.end_sessions", target, {"begun_before": cut})
        seen = run_observe(plan.steps[0], world.targets())
        assert ("has not come yet" in would_refuse(plan.steps[0], seen)) is (ahead_s > 10)
        with pytest.raises(NotApplied, match="has not come yet"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        young.execute("SELECT 1")


def test_an_older_installation_is_named(world: PairWorld) -> None:
    older = "CREATE OR REPLACE FUNCTION hitl_ops.version() RETURNS integer LANGUAGE sql"
    older += " AS 'SELECT 4'"
    with psycopg.connect(world.superuser) as connection:
        connection.execute(older.encode())
        connection.commit()
    try:
        with pytest.raises(Exception, match="has version 4, this action needs 5"):
            run_observe(world.step, world.targets())
        with pytest.raises(NotApplied, match="this action needs 5"):
            run_apply(cleared(world.plan()), world.plan().body, 0, world.targets())
    finally:
        install.install(world.superuser)
