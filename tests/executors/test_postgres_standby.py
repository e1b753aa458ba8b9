"""A cluster with a streaming standby, and one that is full (PostgreSQL 18 and 15)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus

from hitlportal.demo.servers.postgres import PostgresCluster
from remediation.domain.errors import TargetUnobservable
from remediation.executors import postgres
from remediation.executors.base import Point
from remediation.executors.errors import NotApplied, PartlyApplied
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_tighten,
    run_verify,
)
from tests.executors import clusters, install
from tests.executors.contract import CLUSTER, PostgresWorld, clearance, closed_port

NAME = "replica1"
STANDBY = f"{CLUSTER}, standby {NAME}"
OLD_SQL = Path(__file__).parent / "hitl_ops_1.sql"
RESERVED = 5


@dataclass(frozen=True)
class Pair:
    """A primary and its streaming standby."""

    version: str
    primary: PostgresCluster
    standby: PostgresCluster


@pytest.fixture(scope="module", params=clusters.VERSIONS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Start both. hitl_ops was installed in its first version, and is upgraded in place."""
    settings = {"log_statement": "all", "wal_level": "logical"}
    if request.param == "newest":
        settings["reserved_connections"] = str(RESERVED)
    with (
        clusters.cluster(request.param, **settings) as primary,
        clusters.standby(primary, NAME, request.param) as standby,
    ):
        with psycopg.connect(primary.superuser_dsn(), autocommit=True) as connection:
            connection.execute(OLD_SQL.read_bytes())
        yield Pair(request.param, primary, standby)


class StandbyWorld(PostgresWorld):
    """A role on a pair; `named` standbys stand in the targets file, by their observer's DSN."""

    def __init__(self, directory: Path, pair: Pair) -> None:
        super().__init__(
            "postgres.role.disable", directory, pair.primary.superuser_dsn(), pair.primary.log
        )
        self.pair = pair
        self.named = {NAME: self.there(self.logins.observe)}
        operate = self.there(self.logins.operate)
        (directory / "standby.dsn").write_text(operate, encoding="utf-8")
        clusters.until(lambda: self.on_standby("SELECT 1 FROM pg_roles WHERE rolname = %s") == 1)

    def there(self, dsn: str) -> str:
        """Return the same login at the standby."""
        at = urlsplit(dsn)
        return dsn.replace(f":{at.port}/", f":{self.pair.standby.port}/")

    def on_standby(self, query: str) -> object:
        with psycopg.connect(self.pair.standby.superuser_dsn(), autocommit=True) as connection:
            row = connection.execute(query.encode(), [self.role]).fetchone()
            return row and row[0]

    def toml(self, port: int | None = None) -> str:
        return super().toml(port) + "".join(
            f"[postgres.{CLUSTER}.standby.{name}]\n"
            f'observe_dsn = "{observe}"\noperate_dsn_file = "standby.dsn"\n'
            for name, observe in self.named.items()
        )

    def points(self) -> tuple[Point, ...]:
        return executor_of(self.step).points(self.step, run_observe(self.step, self.targets()))

    def left_open(self) -> str:
        seen = run_observe(self.step, self.targets())
        return "; ".join(executor_of(self.step).left_open(self.step, seen))

    def apply(self) -> None:
        run_apply(clearance(self.plan()), self.plan().body, 0, self.targets())

    def tighten(self) -> object:
        return run_tighten(clearance(self.plan()), self.plan().body, 0, self.targets()).detail


@pytest.fixture
def world(pair: Pair, tmp_path: Path) -> StandbyWorld:
    return StandbyWorld(tmp_path, pair)


# --- Standbys ------------------------------------------------------------------------------------


def test_situation_2_sessions_on_the_standby_end_and_each_server_is_named(
    world: StandbyWorld,
) -> None:
    with psycopg.connect(world.there(world.own_dsn), autocommit=True) as there:
        seen = run_observe(world.step, world.targets())
        assert (seen.shown["sessions"], seen.shown["standbys_unseen"]) == (1, [])
        world.apply()
        with pytest.raises(psycopg.OperationalError):
            there.execute("SELECT 1")
    done = run_verify(clearance(world.plan()), world.plan().body, 0, world.targets()).detail
    servers = done["servers"]
    assert isinstance(servers, list)
    assert [(s["server"], s["login"], s["sessions"]) for s in servers] == [  # type: ignore[index,call-overload]
        (CLUSTER, False, []),
        (STANDBY, False, []),
    ]
    assert [(each.place, each.without_access) for each in world.points()] == [
        (f"server {CLUSTER}", True),
        (f"server {STANDBY}", True),
    ]
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(world.there(world.own_dsn))


def test_situation_2_a_standby_that_the_file_does_not_name_is_named_before_and_after(
    world: StandbyWorld,
) -> None:
    """The control of the test above: without the standby in the file, its session goes on."""
    world.named = {}
    with psycopg.connect(world.there(world.own_dsn), autocommit=True) as there:
        before = run_observe(world.step, world.targets())
        assert before.shown["standbys_unseen"] == [STANDBY]
        world.apply()
        run_verify(clearance(world.plan()), world.plan().body, 0, world.targets())
        there.execute("SELECT 1")
    assert world.points() == (
        Point(f"server {CLUSTER}", True),
        Point(f"server {STANDBY}", None),  # so nothing is contained
    )


def test_a67_nologin_that_has_not_reached_the_standby_is_waited_for(
    world: StandbyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    still = f"server {STANDBY}: it still takes logins of the role"
    world.on_standby("SELECT pg_wal_replay_pause() WHERE %s <> ''")
    try:
        with psycopg.connect(world.there(world.own_dsn), autocommit=True) as there:
            with pytest.raises(PartlyApplied, match=still):
                world.apply()
            there.execute("SELECT 1")  # a session that ended would only come back
            assert run_observe(world.step, world.targets()).state["login"] is False
            assert still in world.left_open()
            assert [each.without_access for each in world.points()] == [True, False]
            world.on_standby("SELECT pg_wal_replay_resume() WHERE %s <> ''")
            query = "SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = %s"
            clusters.until(lambda: world.on_standby(query) is True)
            monkeypatch.undo()
            world.tighten()
            with pytest.raises(psycopg.OperationalError):
                there.execute("SELECT 1")
    finally:
        world.on_standby("SELECT pg_wal_replay_resume() WHERE %s <> ''")
    assert world.left_open() == ""


def test_a64_a_session_of_the_standby_that_does_not_end_is_named_with_its_server(
    world: StandbyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    with psycopg.connect(world.there(world.own_dsn), autocommit=True) as there:
        pid = there.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            named = f"server {STANDBY}: session of {world.role}, pid {pid}, open since"
            with pytest.raises(PartlyApplied, match=named):
                world.apply()
            assert world.on_standby("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s") is False
        finally:
            os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    world.tighten()
    assert world.left_open() == ""


def test_a_standby_that_cannot_be_read_is_said_and_does_not_stop_the_primary(
    world: StandbyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    with closed_port() as port:
        down = world.there(world.logins.observe).replace(
            f":{world.pair.standby.port}/", f":{port}/"
        )
        world.named = {NAME: down}
        (world.directory / "standby.dsn").write_text(down)
        with pytest.raises(PartlyApplied, match=f"server {STANDBY}: not looked at: .*refused"):
            world.apply()
        primary, standby = world.points()
    assert (primary.without_access, standby.without_access) == (True, None)
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(world.own_dsn)


def test_what_is_no_standby_of_this_cluster_is_not_taken_for_one(world: StandbyWorld) -> None:
    world.named = {NAME: world.logins.observe}
    primary, standby = world.points()
    assert (primary.without_access, standby.without_access) == (False, None)
    assert "no standby (any more)" in standby.open[0]


def test_an_observer_or_operator_that_leads_to_a_standby_is_refused(world: StandbyWorld) -> None:
    observe = world.logins.observe
    world.logins = install.Logins(world.there(observe), world.logins.operate)
    with pytest.raises(TargetUnobservable, match="is a standby; the DSN must lead to the primary"):
        run_observe(world.step, world.targets())
    world.logins = install.Logins(observe, world.logins.operate)
    world.operate_file.write_text(world.there(world.logins.operate))
    with pytest.raises(NotApplied, match="is a standby"):
        world.apply()
    psycopg.connect(world.own_dsn).close()


def test_the_observer_reads_what_is_connected_and_not_the_rest_of_the_statistics(
    world: StandbyWorld,
) -> None:
    with psycopg.connect(world.logins.observe) as connection:
        seen = connection.execute("SELECT * FROM hitl_ops.replicas()").fetchall()
        raw = connection.execute("SELECT client_addr, state FROM pg_stat_replication").fetchall()
    assert seen == [(NAME, "127.0.0.1", "streaming", False)]
    assert raw == [(None, None)]


def test_subscribers_of_logical_replication_are_named_and_are_no_standbys(
    world: StandbyWorld,
) -> None:
    name = f"slot_{world.role}"
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
        connection.execute("DROP PUBLICATION IF EXISTS p")
        connection.execute("CREATE PUBLICATION p")
        dsn = make_conninfo(world.superuser, replication="database", application_name="warehouse")
        subscriber = psycopg.pq.PGconn.connect(dsn.encode())
        start = f"START_REPLICATION SLOT {name} LOGICAL 0/0"
        options = " (proto_version '1', publication_names 'p')"
        assert subscriber.exec_((start + options).encode()).status == ExecStatus.COPY_BOTH
        shown = run_observe(world.step, world.targets()).shown
        assert (shown["subscribers"], shown["standbys_unseen"]) == (["warehouse"], [])
        subscriber.finish()
        gone = "SELECT active_pid IS NULL FROM pg_replication_slots WHERE slot_name = %s"
        clusters.until(lambda: world.ask(gone, name) == (True,))
        connection.execute("SELECT pg_drop_replication_slot(%s)", [name])


# --- A full cluster ------------------------------------------------------------------------------


def fill(stack: ExitStack, dsn: str) -> int:
    """Open sessions until the cluster takes no more; return their number."""
    for count in range(100):
        try:
            stack.enter_context(psycopg.connect(dsn))
        except psycopg.OperationalError as error:
            assert "connection slots are reserved" in str(error)
            return count
    raise AssertionError("the cluster is never full")


@pytest.mark.parametrize("pair", ["newest"], indirect=True)  # reserved_connections: from 16 on
def test_situation_3_a_role_that_holds_every_connection_is_observed_and_disabled(
    world: StandbyWorld,
) -> None:
    with ExitStack() as stack:
        held = fill(stack, world.own_dsn)
        assert run_observe(world.step, world.targets()).shown["sessions"] == held > 20
        world.apply()
    run_verify(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", world.role) == (0,)


def test_situation_3_control_without_the_reserved_connections_the_portal_is_kept_out(
    world: StandbyWorld,
) -> None:
    """Also what PostgreSQL 14 and 15 do, which have no such setting."""
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        reserved = world.pair.version == "newest"
        if reserved:
            connection.execute("REVOKE pg_use_reserved_connections FROM hitl_observer")
        with ExitStack() as stack:
            fill(stack, world.own_dsn)
            with pytest.raises(TargetUnobservable, match="connection slots"):
                run_observe(world.step, world.targets())
        if reserved:
            connection.execute("GRANT pg_use_reserved_connections TO hitl_observer")
