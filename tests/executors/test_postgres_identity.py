"""Which role, which cluster and whose functions the portal acts on (PostgreSQL 18 and 15)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from remediation.domain.errors import TargetUnobservable
from remediation.executors import postgres, postgres_operate, postgres_session
from remediation.executors.errors import NotApplied, PartlyApplied
from remediation.executors.postgres import DisableRole
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_prepare,
    run_tighten,
    run_verify,
)
from tests.executors import install
from tests.executors.conftest import Cluster
from tests.executors.contract import PostgresWorld, clearance


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> PostgresWorld:
    return PostgresWorld("postgres.role.disable", tmp_path, cluster.superuser, cluster.log)


def admin(world: PostgresWorld, statement: str, *names: str) -> None:
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def disable(world: PostgresWorld) -> None:
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def verify(world: PostgresWorld) -> None:
    run_verify(clearance(world.plan()), world.plan().body, 0, world.targets())


def contained(world: PostgresWorld) -> bool:
    seen = run_observe(world.step, world.targets())
    points = DisableRole().points(world.step, seen)
    return all(p.without_access is True and not p.open for p in points)


def can_login(world: PostgresWorld) -> bool:
    return bool(world.ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", world.role)[0])


# --- B7: whoever owns the database of hitl_ops ----------------------------------------------------


@pytest.fixture
def owned(cluster: Cluster, tmp_path: Path) -> Iterator[PostgresWorld]:
    """hitl_ops lies in the database that the role owns: targets.md does not say otherwise."""
    database = f"db_{uuid4().hex[:8]}"
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    dsn = cluster.superuser.rpartition("/")[0] + f"/{database}"
    world = PostgresWorld("postgres.role.disable", tmp_path, dsn, cluster.log)
    admin(world, "ALTER DATABASE {} OWNER TO {}", database, world.role)
    yield world
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [install.LOCK])
        for login in ("hitl_observer", "hitl_operator"):
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), install.PASSWORD)
            )


def replace_the_database(world: PostgresWorld) -> None:
    """The owner (CREATEDB) puts another database in its place, with a hitl_ops of its own."""
    database = urlsplit(world.superuser).path[1:]
    admin(world, "ALTER ROLE {} CREATEDB", world.role)
    elsewhere = world.own_dsn.rpartition("/")[0] + "/postgres"
    with psycopg.connect(elsewhere, autocommit=True) as own:
        own.execute(f"ALTER DATABASE {database} RENAME TO {database}_real")
        own.execute(f"CREATE DATABASE {database}")
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        for statement in (
            "CREATE SCHEMA hitl_ops",
            "GRANT USAGE ON SCHEMA hitl_ops TO PUBLIC",
            "CREATE FUNCTION hitl_ops.version() RETURNS int LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'runs as %', current_user; END$$",
        ):
            own.execute(statement.encode())


def test_b7_functions_of_somebody_else_are_not_called_as_our_logins(owned: PostgresWorld) -> None:
    replace_the_database(owned)
    with pytest.raises(NotApplied, match="functions of somebody else; none of them was called"):
        disable(owned)
    with pytest.raises(TargetUnobservable, match="functions of somebody else"):
        run_observe(owned.step, owned.targets())


def test_b7_control_without_a_look_at_the_owner_they_run_as_the_operator(
    owned: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "_refuse_strange_functions", lambda _: None)
    replace_the_database(owned)
    with pytest.raises(NotApplied, match="runs as hitl_operator"):
        disable(owned)


# --- B8: the name is another role now ------------------------------------------------------------


def test_b8_a_role_that_took_over_the_name_is_not_the_role_that_was_contained(
    world: PostgresWorld,
) -> None:
    disable(world)
    verify(world)
    old = f"{world.role}_old"
    admin(world, "ALTER ROLE {} RENAME TO {}", world.role, old)  # a careless "quarantine"
    admin(world, "ALTER ROLE {} LOGIN", old)
    admin(world, "ALTER ROLE {} PASSWORD '" + install.PASSWORD + "'", old)
    install.make_role(world.superuser, world.role, "NOLOGIN")
    with psycopg.connect(install.login(world.superuser, old)):  # the compromised role is in
        verify_said = contained(world)
    assert not verify_said, "contained is said of another role (oid)"


def test_b9_tighten_ends_no_session_of_another_role(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable(world)
    other = f"{world.role}_x"
    dsn = install.make_role(world.superuser, other)
    with psycopg.connect(dsn, autocommit=True) as session:
        admin(world, "ALTER ROLE {} RENAME TO {}", world.role, f"{world.role}_old")
        admin(world, "ALTER ROLE {} NOLOGIN", other)
        admin(world, "ALTER ROLE {} RENAME TO {}", other, world.role)
        run_tighten(clearance(world.plan()), world.plan().body, 0, world.targets())
        session.execute("SELECT 1")


def test_b8_a_session_of_the_dropped_role_is_not_lost_from_sight(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left open and named by pid; then the administrator drops the role and makes it anew, off."""
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    with psycopg.connect(world.own_dsn, autocommit=True) as stuck:
        pid = stuck.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(PartlyApplied):
                disable(world)
            admin(world, "DROP ROLE {}", world.role)
            install.make_role(world.superuser, world.role, "NOLOGIN")
            assert world.ask("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) == (1,)
            assert not contained(world), f"pid {pid} is alive"
        finally:
            os.kill(pid, signal.SIGCONT)


def test_b8_a_role_that_was_renamed_and_let_in_again_is_not_lost_from_sight(
    world: PostgresWorld,
) -> None:
    disable(world)
    admin(world, "ALTER ROLE {} RENAME TO {}", world.role, f"{world.role}_old")
    admin(world, "ALTER ROLE {} LOGIN", f"{world.role}_old")
    seen = run_observe(world.step, world.targets())
    (point,) = DisableRole().points(world.step, seen)
    assert (seen.exists, point.without_access) == (False, False)


def test_b8_an_approved_oid_is_acted_on_and_no_other(world: PostgresWorld) -> None:
    """The name came to mean another role between the gate's look and the call."""
    plan, targets = world.plan(), world.targets()
    before = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, before)
    admin(world, "ALTER ROLE {} RENAME TO {}", world.role, f"{world.role}_old")
    install.make_role(world.superuser, world.role)
    with pytest.raises(NotApplied, match="another role now"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert can_login(world)


# --- B12: the two DSNs lead to two clusters -------------------------------------------------------


@pytest.fixture
def mixed(newest_cluster: Cluster, cluster_15: Cluster, tmp_path: Path) -> PostgresWorld:
    """The operator's DSN leads to another cluster, which has a role of this name, too."""
    world = PostgresWorld(
        "postgres.role.disable", tmp_path, newest_cluster.superuser, newest_cluster.log
    )
    other = install.install(cluster_15.superuser)
    install.make_role(cluster_15.superuser, world.role)
    install.write_operate_dsn(tmp_path, other.operate)  # a careless copy of a file
    run_observe(world.step, world.targets())
    return world


def can_login_there(cluster: Cluster, world: PostgresWorld) -> object:
    with psycopg.connect(cluster.superuser) as there:
        query = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
        row = there.execute(query, [world.role]).fetchone()
    return row and row[0]


def test_b12_the_operators_dsn_of_another_cluster_changes_nothing_there(
    mixed: PostgresWorld, cluster_15: Cluster
) -> None:
    with pytest.raises(NotApplied, match="another cluster than the observer's"):
        disable(mixed)
    assert can_login_there(cluster_15, mixed) is True


def test_b12_control_without_comparing_a_role_of_the_other_cluster_is_disabled(
    mixed: PostgresWorld, cluster_15: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_operate, "system_identifier", lambda _: 0)
    disable(mixed)
    assert can_login_there(cluster_15, mixed) is False


# --- B14: a schema that somebody made before the installation -------------------------------------


def test_b14_rights_on_a_schema_made_before_the_installation_do_not_stay(
    cluster: Cluster, tmp_path: Path
) -> None:
    database, early = f"db_{uuid4().hex[:8]}", f"early_{uuid4().hex[:8]}"
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    dsn = cluster.superuser.rpartition("/")[0] + f"/{database}"
    own = install.make_role(dsn, early, managed=False)
    mole = f"{early}_mole"
    install.make_role(dsn, mole, managed=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"GRANT CREATE ON DATABASE {database} TO {early}".encode())
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA hitl_ops")
        connection.execute(f"GRANT ALL ON SCHEMA hitl_ops TO {mole}".encode())
        connection.execute(
            "CREATE FUNCTION hitl_ops.disable(varchar) RETURNS void LANGUAGE sql AS ''"
        )
    try:
        install.install(dsn)
    except psycopg.Error:
        return  # a refusal is right, too
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT has_schema_privilege(%s, 'hitl_ops', 'CREATE'), (SELECT count(*) FROM pg_proc"
            " WHERE pronamespace = 'hitl_ops'::regnamespace AND proowner::regrole::text = %s)",
            [mole, early],
        ).fetchone()
    assert row == (False, 0), "CREATE on the schema, or functions of somebody else, stayed"


# --- B18: what the role became meanwhile ----------------------------------------------------------


def test_b18_an_undoing_sees_that_the_role_can_become_a_superuser_by_now(
    world: PostgresWorld,
) -> None:
    """_require_as_left compares the pin: who can become an administrator is not in it."""
    before = run_observe(world.step, world.targets())
    disable(world)
    boss = f"{world.role}_boss"
    install.make_role(world.superuser, boss, "SUPERUSER NOLOGIN", managed=False)
    admin(world, "GRANT {} TO {}", boss, world.role)
    left = DisableRole().after(DisableRole().snapshot(before))
    seen = run_observe(world.step, world.targets())
    assert dict(seen.state) != left, "the undoing would let a superuser in"
