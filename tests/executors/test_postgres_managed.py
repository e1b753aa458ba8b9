"""A managed PostgreSQL: hitl_ops is installed, upgraded and used by a role that is no superuser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from remediation.domain.errors import TargetUnobservable
from remediation.executors.postgres import INSTALL_SQL
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback, run_verify
from tests.executors import clusters, install
from tests.executors.contract import PostgresWorld, clearance


@dataclass(frozen=True)
class Managed:
    """A cluster whose administrator is no superuser; `admin` is that role's DSN."""

    version: str
    admin: str
    superuser: str
    log: Path


@pytest.fixture(scope="module", params=clusters.VERSIONS)
def managed(request: pytest.FixtureRequest) -> Iterator[Managed]:
    with clusters.cluster(request.param, log_statement="all") as server:
        admin = clusters.make_admin(server)
        yield Managed(request.param, admin, server.superuser_dsn(clusters.DATABASE), server.log)


@pytest.fixture
def world(managed: Managed, tmp_path: Path) -> PostgresWorld:
    """A role that the administrator made and enrolled."""
    return PostgresWorld("postgres.role.disable", tmp_path, managed.admin, managed.log)


def ask(dsn: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def test_situation_4_the_administrator_is_no_superuser(managed: Managed) -> None:
    assert ask(managed.admin, "SELECT current_setting('is_superuser')") == [("off",)]
    with pytest.raises(InsufficientPrivilege):
        ask(managed.admin, f"ALTER ROLE {clusters.ADMIN} NOSUPERUSER")


def test_situation_4_installed_enrolled_disabled_and_given_back(world: PostgresWorld) -> None:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    assert seen.state["member_of_managed"] is True
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    with psycopg.connect(world.own_dsn, autocommit=True) as session:
        run_apply(clearance(plan), plan.body, 0, targets)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    run_verify(clearance(plan), plan.body, 0, targets)
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(world.own_dsn)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    psycopg.connect(world.own_dsn).close()


def test_situation_4_it_is_installed_again_in_place_and_nobody_can_become_the_owner(
    managed: Managed, world: PostgresWorld
) -> None:
    before = functions(managed)
    install.install(managed.admin)
    assert functions(managed) == before
    assert run_observe(world.step, world.targets()).state["member_of_managed"] is True
    for login in (managed.admin, world.logins.operate, world.logins.observe):
        with pytest.raises(InsufficientPrivilege):
            ask(login, "SET ROLE hitl_ops_owner")


def functions(managed: Managed) -> list[tuple[object, ...]]:
    return ask(
        managed.superuser,
        "SELECT proname::text, proowner::regrole::text, proacl::text FROM pg_proc"
        " WHERE pronamespace = 'hitl_ops'::regnamespace ORDER BY 1, 2, 3",
    )


def test_situation_4_a_role_of_somebody_else_is_not_enrolled_from_16_on(managed: Managed) -> None:
    """On 14 and 15 CREATEROLE gives ADMIN on every role."""
    install.install(managed.admin)
    role = f"other_{uuid4().hex[:8]}"
    ask(managed.superuser, f"CREATE ROLE {role} LOGIN")
    if managed.version == "15":
        ask(managed.admin, "SELECT hitl_ops.manage(%s)", role)
    else:
        with pytest.raises(InsufficientPrivilege):
            ask(managed.admin, "SELECT hitl_ops.manage(%s)", role)


def test_without_admin_on_the_reserved_connections_the_installation_warns(
    managed: Managed,
) -> None:
    """The role `pg_use_reserved_connections` exists from 16 on."""
    done = subprocess.run(
        [clusters.system_postgres(15) / "psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1",
         "--file", INSTALL_SQL, managed.admin],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    warned = "pg_use_reserved_connections was not granted to hitl_operator" in done.stderr
    assert warned is (managed.version != "15"), done.stderr


# --- Versions of the installation ----------------------------------------------------------------


def test_an_old_installation_is_named_and_upgraded_in_place(
    managed: Managed, world: PostgresWorld
) -> None:
    with psycopg.connect(managed.superuser, autocommit=True) as connection:
        for name in ("version()", "members(oid)", "replicas()", "session_list(oid)"):
            connection.execute(sql.SQL("DROP FUNCTION hitl_ops.{}").format(sql.SQL(name)))
    with pytest.raises(TargetUnobservable, match=r"version 1.*install hitl_ops\.sql again"):
        run_observe(world.step, world.targets())
    install.install(managed.admin)
    assert run_observe(world.step, world.targets()).exists


def test_a_database_without_the_functions_is_named(managed: Managed, world: PostgresWorld) -> None:
    world.logins = install.Logins(
        world.logins.observe.replace(f"/{clusters.DATABASE}", "/postgres"), world.logins.operate
    )
    with pytest.raises(TargetUnobservable, match="hitl_ops is not in this database"):
        run_observe(world.step, world.targets())
