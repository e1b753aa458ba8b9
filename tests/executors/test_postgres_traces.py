"""What a step is about to end: sessions as the target shows them, without a secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.tlog.canonical import encode
from remediation.domain import instant
from remediation.executors.postgres import INSTALL_SQL
from remediation.executors.run import run_traces
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.contract import PostgresWorld, closed_port, make_plan

DISABLE, END = "postgres.role.disable", "postgres.role.end_sessions"
SECRET = "geheim-4711"
# Each holds the secret once; what may be recorded of it.
QUERIES = {
    f"SELECT 12 + 34, t1.relname FROM pg_class t1 WHERE relname = '{SECRET}'":
        "SELECT ? + ?, t? FROM pg_class t? WHERE relname = ",
    f"SELECT $${SECRET}$$": "SELECT ",
    f"SELECT $x${SECRET}$x$": "SELECT ",
    f"SELECT E'{SECRET}'": "SELECT E",
    f"SELECT 6 - 4 / 2 -- {SECRET}": "SELECT ? - ? / ? ",
    f"SELECT 1 /* {SECRET} */": "SELECT ? ",
    "SELECT 1; SET app.token = geheim": "SELECT ?; SET app.token =",
    'set "app"."token" to "geheim-x"': 'set "app"."token" to',
    "ALTER ROLE CURRENT_USER SET app.token = geheim": "ALTER ROLE CURRENT_USER SET app.token =",
    "SET TimeZone TO utc": "SET TimeZone TO",
    f"ALTER ROLE CURRENT_USER PASSWORD '{SECRET}": "ALTER ROLE CURRENT_USER PASSWORD ",
}  # fmt: skip


def traces(world: PostgresWorld, action: str, more: str = "", **parameters: Any) -> dict[str, Any]:
    path = world.directory / "traced.toml"
    path.write_text(world.toml() + more + world.store_toml())
    step = make_plan(action, world.target, parameters).steps[0]
    return dict(run_traces(step, Targets.load(path, portal_system_identifier=None)))


def world_of(cluster: Cluster, directory: Path) -> PostgresWorld:
    return PostgresWorld(DISABLE, directory, cluster.superuser, cluster.log)


def connect(world: PostgresWorld, program: str = "report") -> psycopg.Connection[Any]:
    return psycopg.connect(world.own_dsn, autocommit=True, application_name=program)


def test_each_action_tells_what_it_will_end_and_no_more(cluster: Cluster, tmp_path: Path) -> None:
    world = world_of(cluster, tmp_path)
    assert traces(world, DISABLE) == {}
    with connect(world) as first:
        first.execute(f"SELECT '{SECRET}'".encode())
        cut = instant.dump(datetime.now(UTC))
        with connect(world, 'a "b"\u202e' * 20):
            world.hide_operate_credential()
            told = traces(world, DISABLE)
            [one, other] = told["sessions"]
            assert one.keys() == other.keys() == {"server", "pid", "address", "application",
                                                  "database", "since", "state"}  # fmt: skip
            assert (one["pid"], one["application"]) == (first.info.backend_pid, "report")
            assert one["address"] in ("127.0.0.1", "::1") and one["state"] == "idle"
            assert instant.parse(one["since"]) <= datetime.now(UTC)
            assert SECRET not in encode(told).decode()
            assert [s["pid"] for s in traces(world, END, begun_before=cut)["sessions"]] == [
                first.info.backend_pid
            ]
            early = instant.dump(datetime.now(UTC) - timedelta(hours=1))
            assert traces(world, END, begun_before=early) == {}
            place = {"store": "apps:orders/database"}
            rotate = "postgres.role.rotate_password"
            assert traces(world, rotate, end_sessions=False, **place) == {}
            assert len(traces(world, rotate, end_sessions=True, **place)["sessions"]) == 2
            assert traces(world, "postgres.role.enable") == {}
    assert world.changes() == 0


def test_queries_are_told_only_where_both_sides_say_so_and_without_literals(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    world, wanted = world_of(own_cluster, tmp_path), "record_queries = true\n"
    with connect(world) as session:
        session.execute("SELECT 1")
        [one] = traces(world, DISABLE, wanted)["sessions"]
        assert "do not tell queries" in one["query"]
        with psycopg.connect(world.superuser, autocommit=True) as admin:
            admin.execute("SET hitl_ops.record_queries = 'on'")
            admin.execute(INSTALL_SQL.read_bytes())
        try:
            for query, told in QUERIES.items():
                try:
                    session.execute(query.encode())
                except psycopg.Error:
                    assert query.startswith("ALTER")
                [one] = traces(world, DISABLE, wanted)["sessions"]
                assert one["query"] == told, query
            session.execute(f"SELECT {'a.relname, ' * 80} 1 FROM pg_class a".encode())
            assert len(traces(world, DISABLE, wanted)["sessions"][0]["query"]) == 200
            assert "query" not in traces(world, DISABLE)["sessions"][0]
        finally:
            install.install(world.superuser)


def test_many_sessions_are_counted_and_a_standby_that_is_away_is_named(tmp_path: Path) -> None:
    """hitl_ops of version 3 tells less, and works."""
    with clusters.cluster("newest", max_connections="130") as server, closed_port() as port:
        superuser = server.superuser_dsn()
        world = PostgresWorld(DISABLE, tmp_path, superuser, server.log)
        away = world.logins.observe.replace(f":{server.port}/", f":{port}/")
        standby = (
            f'[postgres.orders-db.standby.replica1]\nobserve_dsn = "{away}"\n'
            'operate_dsn_file = "operate.dsn"\n'
        )
        held = [connect(world) for _ in range(103)]
        told = traces(world, DISABLE, standby)
        assert len(told["sessions"]) == 100 and told["more"] == 3
        assert len(encode(told)) < 40_000
        [unseen] = told["not_looked_at"]
        assert unseen.startswith("server orders-db, standby replica1: ")
        later = instant.dump(datetime.now(UTC))
        assert traces(world, END, begun_before=later)["more"] == 3
        for each in held[1:]:
            each.close()
        old = (Path(__file__).parent / "hitl_ops_3.sql").read_text()
        with psycopg.connect(superuser, autocommit=True) as admin:
            clusters.until(
                lambda: (
                    admin.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [world.role]
                    ).fetchone()
                    == (1,)
                )
            )
            admin.execute("DROP SCHEMA hitl_ops CASCADE")
            admin.execute(old.encode())
        [one] = traces(world, DISABLE)["sessions"]
        assert one.keys() == {"server", "pid", "application", "since"}
        held[0].close()


@pytest.mark.parametrize("value", ["1", '"yes"'])
def test_record_queries_is_true_or_false(cluster: Cluster, tmp_path: Path, value: str) -> None:
    with pytest.raises(TargetsFileInvalid, match="record_queries must be true or false"):
        traces(world_of(cluster, tmp_path), DISABLE, f"record_queries = {value}\n")
