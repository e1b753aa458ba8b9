"""Standbys that are missing or named twice, prepared transactions, a synchronous standby."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from hitlportal.demo.servers.postgres import PostgresCluster
from remediation.domain.errors import Refused
from remediation.executors import postgres_look
from remediation.executors.base import Deadline, Settled
from remediation.executors.postgres import DisableRole
from remediation.executors.run import run_apply, run_observe, would_refuse
from tests.executors import clusters
from tests.executors.contract import CLUSTER, PostgresWorld, clearance

NAMES = ("replica1", "replica2")


def disable(world: PostgresWorld) -> None:
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def contained(world: PostgresWorld) -> bool:
    seen = run_observe(world.step, world.targets())
    points = DisableRole().points(world.step, seen)
    return all(p.without_access is True and not p.open for p in points)


def there(dsn: str, server: PostgresCluster) -> str:
    return dsn.replace(f":{urlsplit(dsn).port}/", f":{server.port}/")


# --- B15: a prepared transaction holds the role's row ---------------------------------------------


def test_b15_a_prepared_transaction_on_the_roles_row_is_named(tmp_path: Path) -> None:
    with clusters.cluster("newest", max_prepared_transactions="5", log_statement="all") as server:
        world = PostgresWorld("postgres.role.disable", tmp_path, server.superuser_dsn(), server.log)
        with psycopg.connect(world.own_dsn, autocommit=True) as own:
            own.execute("BEGIN")
            own.execute("ALTER ROLE CURRENT_USER PASSWORD 'x'")
            own.execute("PREPARE TRANSACTION 'for ever'")
        said = would_refuse(world.step, run_observe(world.step, world.targets()))
        try:
            disable(world)
        except Refused as error:
            said += str(error)
        off = world.ask("SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = %s", world.role)[0]
        with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
            connection.execute("ROLLBACK PREPARED 'for ever'")
        assert off or "prepared" in said, said


# --- B21: a synchronous standby that is away ------------------------------------------------------


def test_b21_a_synchronous_standby_that_is_away_leaves_no_call_in_flight_for_ever(
    tmp_path: Path,
) -> None:
    """COMMIT waits for it without any timeout; until then nobody sees NOLOGIN."""
    with clusters.cluster("newest", log_statement="all") as server:
        world = PostgresWorld("postgres.role.disable", tmp_path, server.superuser_dsn(), server.log)
        with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'away'")
            connection.execute("SELECT pg_reload_conf()")
        executor = DisableRole()
        with psycopg.connect(world.own_dsn, autocommit=True) as session:
            said = ""
            try:
                executor.apply(
                    clearance(world.plan()), world.step, world.targets(), Deadline.within(5)
                )
            except Refused as error:
                said = str(error)
            # The backend waits on, however long: no limit of ours or the server's counts there.
            verdict = executor.settled(run_observe(world.step, world.targets()))
            with suppress(psycopg.Error):
                session.execute("SELECT 1")  # the session goes on, too
                said += "; its session goes on"
        waiting = world.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
        query = "SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = %s"
        clusters.until(lambda: world.ask(query, world.role) == (True,))  # the late effect
        assert verdict is not Settled.NOT_APPLIED, f"{verdict}, {waiting} in flight; {said}"


# --- Standbys -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgresCluster, PostgresCluster, PostgresCluster]]:
    with (
        clusters.cluster("newest", log_statement="all") as primary,
        clusters.standby(primary, NAMES[0], "newest") as one,
        clusters.standby(primary, NAMES[1], "newest") as two,
    ):
        yield primary, one, two


class TwoStandbys(PostgresWorld):
    standbys: tuple[tuple[str, PostgresCluster], ...] = ()

    def toml(self, port: int | None = None) -> str:
        text = super().toml(port)
        for name, server in self.standbys:
            operate = self.directory / f"{name}.dsn"
            operate.write_text(there(self.logins.operate, server))
            text += (
                f"[postgres.{CLUSTER}.standby.{name}]\n"
                f'observe_dsn = "{there(self.logins.observe, server)}"\n'
                f'operate_dsn_file = "{name}.dsn"\n'
            )
        return text


@pytest.fixture
def world(
    servers: tuple[PostgresCluster, PostgresCluster, PostgresCluster], tmp_path: Path
) -> TwoStandbys:
    primary = servers[0]
    found = TwoStandbys("postgres.role.disable", tmp_path, primary.superuser_dsn(), primary.log)
    for server in servers[1:]:

        def has(server: PostgresCluster = server) -> bool:
            with psycopg.connect(server.superuser_dsn()) as connection:
                query = "SELECT 1 FROM pg_roles WHERE rolname = %s"
                return connection.execute(query, [found.role]).fetchone() is not None

        clusters.until(has)
    return found


def test_b16_two_standbys_of_the_file_that_are_one_server_are_not_two(
    servers: tuple[PostgresCluster, PostgresCluster, PostgresCluster], world: TwoStandbys
) -> None:
    """A copied line: both DSNs lead to replica1; a session on replica2 goes on."""
    world.standbys = ((NAMES[0], servers[1]), (NAMES[1], servers[1]))
    with psycopg.connect(there(world.own_dsn, servers[2]), autocommit=True) as session:
        disable(world)
        said = contained(world)
        assert session.execute("SELECT 1").fetchone() == (1,)
    assert not said, "replica2 was never looked at"


def test_b16_control_without_a_look_at_the_server_one_counts_for_two(
    servers: tuple[PostgresCluster, PostgresCluster, PostgresCluster],
    world: TwoStandbys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_look, "each_once", lambda found: found)
    world.standbys = ((NAMES[0], servers[1]), (NAMES[1], servers[1]))
    with psycopg.connect(there(world.own_dsn, servers[2]), autocommit=True) as session:
        disable(world)
        assert contained(world)
        session.execute("SELECT 1")


def test_b17_a_standby_that_is_cut_off_during_the_look_is_not_forgotten(
    servers: tuple[PostgresCluster, PostgresCluster, PostgresCluster], world: TwoStandbys
) -> None:
    """It was seen before anybody signed (not looked at); cut off, it takes logins for ever."""
    world.standbys = ((NAMES[0], servers[1]),)
    before = run_observe(world.step, world.targets())
    assert before.shown["standbys_unseen"] == [f"{CLUSTER}, standby {NAMES[1]}"]
    with psycopg.connect(servers[0].superuser_dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('two', true)")
    with psycopg.connect(servers[2].superuser_dsn(), autocommit=True) as connection:
        old = connection.execute("SHOW primary_conninfo").fetchone()
        connection.execute("ALTER SYSTEM SET primary_slot_name = 'two'")
        connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        connection.execute("SELECT pg_reload_conf()")
    names = "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s"
    clusters.until(lambda: world.ask(names, NAMES[1]) == (0,))
    try:
        with psycopg.connect(there(world.own_dsn, servers[2]), autocommit=True):
            disable(world)
            said = contained(world)
        psycopg.connect(there(world.own_dsn, servers[2])).close()  # even new logins
    finally:
        with psycopg.connect(servers[2].superuser_dsn(), autocommit=True) as connection:
            assert old is not None
            connection.execute("ALTER SYSTEM RESET primary_conninfo")
            connection.execute("SELECT pg_reload_conf()")
    assert not said, "a standby with a slot of its own takes logins, and nobody was told"
