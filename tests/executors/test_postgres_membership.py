"""Memberships on real clusters: what is cut, what goes on, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from audit.tlog.canonical import Json
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.executors.errors import NotApplied, RollbackFailed
from remediation.executors.postgres import INSTALL_SQL
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_traces,
    run_verify,
    would_refuse,
)
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.contract import CLUSTER, clearance, make_plan
from tests.executors.postgres_membership import MembershipWorld

REVOKE, GRANT = "postgres.membership.revoke", "postgres.membership.grant"
Connection = psycopg.Connection[Any]


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> MembershipWorld:
    return MembershipWorld(REVOKE, tmp_path, cluster.superuser, cluster.log)


@pytest.fixture
def admin(world: MembershipWorld) -> Iterator[Connection]:
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        yield connection


def finer(world: MembershipWorld) -> bool:
    return bool(world.ask("SELECT current_setting('server_version_num')::int >= 160000")[0])


def run(world: MembershipWorld, action: str = REVOKE) -> None:
    """Observe, check, apply and verify, as a run does."""
    plan, targets = make_plan(action, world.target, {}), world.targets()
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets, snapshot)


def execute(admin: Connection, world: MembershipWorld, statement: str, **more: str) -> None:
    names = {"g": world.group, "r": world.role, "t": world.table, **more}
    admin.execute(
        sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})  # type: ignore[arg-type]
    )


def without(world: MembershipWorld, action: str = REVOKE) -> list[bool | None]:
    step = make_plan(action, world.target, {}).steps[0]
    seen = run_observe(step, world.targets())
    return [point.without_access for point in executor_of(step).points(step, seen)]


def test_it_bites_open_sessions_at_once_but_not_one_that_took_the_role_on(
    world: MembershipWorld,
) -> None:
    read = f"SELECT count(*) FROM {world.table}".encode()
    with (
        psycopg.connect(world.own_dsn, autocommit=True) as plain,
        psycopg.connect(world.own_dsn, autocommit=True) as became,
        psycopg.connect(world.own_dsn) as within,
    ):
        became.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(world.group)))
        within.execute(f"DECLARE c CURSOR FOR SELECT a FROM {world.table}".encode())
        assert plain.execute(read).fetchone() == (10,) == became.execute(read).fetchone()
        assert without(world) == [False]
        assert run_traces(world.step, world.targets()) == {}
        run(world)
        with pytest.raises(InsufficientPrivilege):
            plain.execute(read)
        assert became.execute(read).fetchone() == (10,), "the step says so"
        assert within.execute("FETCH 1 FROM c").fetchone() == (1,)
        with pytest.raises(InsufficientPrivilege):
            within.execute(read)
        # Which session took the role on is not to be seen: nobody says that it has no access.
        assert without(world) == [None]
        seen = run_observe(world.step, world.targets())
        assert (seen.shown["sessions"], seen.shown["older_sessions"]) == (3, 3)
        became.execute("RESET ROLE")
        with pytest.raises(InsufficientPrivilege):
            became.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(world.group)))
    clusters.until(lambda: without(world) == [True])


def test_every_option_and_the_grantor_come_back(world: MembershipWorld, admin: Connection) -> None:
    forms = ["WITH ADMIN OPTION", ""]
    if finer(world):
        forms = [
            f"WITH ADMIN {a}, INHERIT {i}, SET {s}"
            for a in ("TRUE", "FALSE") for i in ("TRUE", "FALSE") for s in ("TRUE", "FALSE")
        ]  # fmt: skip
    for form in forms:
        execute(admin, world, "REVOKE {g} FROM {r} GRANTED BY hitl_ops_owner CASCADE")
        execute(admin, world, "GRANT {g} TO {r} " + form)
        admin.execute("SELECT hitl_ops.manage_membership(%s, %s)", [world.group, world.role])
        before, seen = world.rows(), run_observe(world.step, world.targets())
        run(world)
        assert world.rows() is None
        assert run_observe(world.step, world.targets()).state == {**seen.state, "membership": False}
        run(world, GRANT)
        assert world.rows() == before, form
        assert run_observe(world.step, world.targets()).state == seen.state
    plan, targets = world.plan(), world.targets()
    snapshot = dict(run_observe(world.step, targets).state)
    run(world)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.rows() == before


def test_a_grant_of_somebody_else_is_named_and_nothing_is_taken(
    world: MembershipWorld, admin: Connection
) -> None:
    if finer(world):
        execute(admin, world, "GRANT {g} TO {r} WITH INHERIT TRUE")  # the superuser is the grantor
    else:
        execute(admin, world, "REVOKE {g} FROM {r}")
        execute(admin, world, "GRANT {g} TO {r}")
    before, plan = world.rows(), world.plan()
    said = would_refuse(world.step, run_observe(world.step, world.targets()))
    assert "postgres granted" in said and "hitl_ops.manage_membership again" in said
    with pytest.raises(NotApplied, match="somebody else granted"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.rows() == before
    admin.execute("SELECT hitl_ops.manage_membership(%s, %s)", [world.group, world.role])
    run(world)
    assert world.rows() is None
    execute(admin, world, "GRANT {g} TO {r}")  # somebody let it in again meanwhile
    with pytest.raises(NotApplied, match="somebody else granted"):
        run_apply(clearance(plan), plan.body, 0, world.targets())


def test_a_role_that_passed_it_on(world: MembershipWorld, admin: Connection) -> None:
    """From 16 on the server keeps the membership; before, the other one keeps the role."""
    other, plan = f"{world.role}_next", world.plan()
    execute(admin, world, "CREATE ROLE {o}", o=other)
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        execute(own, world, "GRANT {g} TO {o}", o=other)
    seen = run_observe(world.step, world.targets())
    assert seen.shown["passed_on"] == [other]
    if not finer(world):
        assert seen.shown["kept_by"] == [] and would_refuse(world.step, seen) == ""
        run(world)
        return
    assert "the role granted it to" in would_refuse(world.step, seen)
    before = world.rows()
    with pytest.raises(NotApplied, match="dependent privileges exist"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.rows() == before


def test_another_way_to_the_role_is_named_and_counts_as_access(
    world: MembershipWorld, admin: Connection
) -> None:
    between = f"{world.role}_between"
    execute(admin, world, "CREATE ROLE {b}", b=between)
    execute(admin, world, "GRANT {g} TO {b}", b=between)
    execute(admin, world, "GRANT {b} TO {r}", b=between)
    assert run_observe(world.step, world.targets()).shown["still_through"] == [between]
    run(world)
    assert without(world) == [False]
    with psycopg.connect(world.own_dsn) as own:
        assert own.execute(f"SELECT count(*) FROM {world.table}".encode()).fetchone() == (10,)


def test_what_is_not_enrolled_can_be_neither_taken_nor_given(
    world: MembershipWorld, admin: Connection
) -> None:
    """Also by the operator's login alone, in the hands of somebody else."""
    another = f"{world.role}_another"
    execute(admin, world, "CREATE ROLE {a}", a=another)
    target: dict[str, Json] = {**world.target, "granted": another}
    for action in (REVOKE, GRANT):
        plan = make_plan(action, target, {})
        assert not run_observe(plan.steps[0], world.targets()).exists
        with pytest.raises(NotApplied, match="not enrolled"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
    execute(admin, world, "GRANT {a} TO {r}", a=another)
    plan = make_plan(REVOKE, target, {})
    seen = run_observe(plan.steps[0], world.targets())
    assert "is not enrolled" in would_refuse(plan.steps[0], seen)
    with pytest.raises(NotApplied, match="not enrolled"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    # One that was taken by somebody else is not given here.
    execute(admin, world, "REVOKE {g} FROM {r} GRANTED BY hitl_ops_owner")
    plan = make_plan(GRANT, world.target, {})
    with pytest.raises(NotApplied, match="was not revoked here"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    with psycopg.connect(world.logins.operate, autocommit=True) as operator:
        for function in ("manage_membership", "adopt_membership", "forget_membership",
                         "unmanage_membership"):  # fmt: skip
            with pytest.raises(InsufficientPrivilege):
                operator.execute(
                    f"SELECT hitl_ops.{function}(%s, %s)".encode(), [another, world.role]
                )
        with pytest.raises(InsufficientPrivilege):
            operator.execute(
                "SELECT hitl_ops.give_membership(%s, %s, true, true, true)", [another, world.role]
            )


def test_powerful_roles_are_refused_by_the_plan_and_by_the_target(
    world: MembershipWorld, admin: Connection
) -> None:
    for granted in ("hitl_managed", "hitl_operator", "pg_execute_server_program", "postgres"):
        with pytest.raises(BadInput):
            make_plan(REVOKE, {**world.target, "granted": granted}, {})
        with pytest.raises(InsufficientPrivilege):
            admin.execute("SELECT hitl_ops.manage_membership(%s, %s)", [granted, world.role])
    execute(admin, world, "ALTER ROLE {g} CREATEROLE")
    said = would_refuse(world.step, run_observe(world.step, world.targets()))
    assert "administers the cluster" in said
    plan = world.plan()
    with pytest.raises(NotApplied, match="administers the cluster"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    execute(admin, world, "ALTER ROLE {g} NOCREATEROLE")


def test_another_role_under_the_name_is_not_touched(
    world: MembershipWorld, admin: Connection
) -> None:
    plan, targets = world.plan(), world.targets()
    snapshot = dict(run_observe(world.step, targets).state)
    execute(admin, world, "ALTER ROLE {g} RENAME TO {o}", o=f"{world.group}_old")
    execute(admin, world, "CREATE ROLE {g}")
    with pytest.raises(NotApplied, match="is another role now"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    with pytest.raises(RollbackFailed, match="is another role now"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)


def test_odd_names_are_names(cluster: Cluster, tmp_path: Path) -> None:
    world = MembershipWorld(REVOKE, tmp_path, cluster.superuser, cluster.log)
    for odd in (
        'a"b', "a'b; DROP ROLE x; --", "%I %s",
        "näme/with:slash", "UPPER case", "x\n y", "$1", "\\",
    ):  # fmt: skip
        role, group = f"{odd}{uuid4().hex[:6]}", f"g {odd}{uuid4().hex[:6]}"
        with install.alone(cluster.superuser) as admin:
            for statement in ("CREATE ROLE {r}", "CREATE ROLE {g}", "GRANT {g} TO {r}"):
                execute(admin, world, statement, r=role, g=group)
            admin.execute("SELECT hitl_ops.manage_membership(%s, %s)", [group, role])
            target: dict[str, Json] = {**world.target, "role": role, "granted": group}
            for action, there in ((REVOKE, False), (GRANT, True)):
                plan = make_plan(action, target, {})
                run_apply(clearance(plan), plan.body, 0, world.targets())
                seen = run_observe(plan.steps[0], world.targets())
                assert seen.state["membership"] is there, odd
            admin.execute("SELECT hitl_ops.unmanage_membership(%s, %s)", [group, role])
            for statement in ("REVOKE {g} FROM {r}", "DROP ROLE {r}", "DROP ROLE {g}"):
                execute(admin, world, statement, r=role, g=group)


def test_an_older_hitl_ops_is_named_and_one_right_less_changes_nothing(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    world = MembershipWorld(REVOKE, tmp_path, own_cluster.superuser, own_cluster.log)
    plan, before = world.plan(), world.rows()
    with psycopg.connect(world.superuser, autocommit=True) as admin:
        try:
            for right in (
                "EXECUTE ON FUNCTION hitl_ops.revoke_membership(text, text, oid, oid)",
                "EXECUTE ON FUNCTION hitl_ops.version()",
                "USAGE ON SCHEMA hitl_ops",
            ):
                admin.execute(f"REVOKE {right} FROM hitl_operator".encode())
                with pytest.raises(NotApplied, match="permission denied"):
                    run_apply(clearance(plan), plan.body, 0, world.targets())
                admin.execute(f"GRANT {right} TO hitl_operator".encode())
            right = "EXECUTE ON FUNCTION hitl_ops.membership_state(oid, oid)"
            admin.execute(f"REVOKE {right} FROM hitl_observer".encode())
            with pytest.raises(TargetUnobservable, match="permission denied"):
                run_observe(world.step, world.targets())
            admin.execute(
                "CREATE OR REPLACE FUNCTION hitl_ops.version() RETURNS integer LANGUAGE sql"
                " AS 'SELECT 5'"
            )
            with pytest.raises(TargetUnobservable, match="has version 5, this action needs 6"):
                run_observe(world.step, world.targets())
            with pytest.raises(NotApplied, match="has version 5, this action needs 6"):
                run_apply(clearance(plan), plan.body, 0, world.targets())
            role: dict[str, Json] = {"kind": "postgres.role", "cluster": CLUSTER}
            step = make_plan("postgres.role.disable", {**role, "role": world.role}, {}).steps[0]
            assert run_observe(step, world.targets()).exists, "older actions need no newer version"
        finally:
            admin.execute(INSTALL_SQL.read_bytes())
    assert world.rows() == before
    run(world)


def test_a_managed_servers_administrator_enrols_what_it_granted(tmp_path: Path) -> None:
    """With CREATEROLE and no superuser, as providers give it, on 18 and 15."""
    for version in clusters.VERSIONS:
        with clusters.cluster(version) as server:
            dsn = clusters.make_admin(server)
            with psycopg.connect(dsn, autocommit=True) as admin:
                admin.execute(INSTALL_SQL.read_bytes())
                admin.execute("CREATE ROLE app")
                admin.execute("CREATE ROLE rights")
                admin.execute("GRANT rights TO app")
                admin.execute("SELECT hitl_ops.manage_membership('rights', 'app')")
                row = admin.execute(
                    "SELECT array_agg(grantor::regrole::text) FROM pg_auth_members"
                    " WHERE roleid = 'rights'::regrole AND member = 'app'::regrole"
                ).fetchone()
                assert row == (["hitl_ops_owner"],)
                admin.execute("SELECT hitl_ops.unmanage_membership('rights', 'app')")
                admin.execute("REVOKE rights FROM app")
                admin.execute(INSTALL_SQL.read_bytes())
