"""Memberships that a role tries to keep, and what must not be taken for "without access"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.tlog.canonical import Json
from remediation.executors import postgres_membership_look
from remediation.executors.errors import NotApplied
from remediation.executors.run import executor_of, run_apply, run_observe, would_refuse
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.contract import clearance, make_plan
from tests.executors.postgres_membership import MembershipWorld
from tests.executors.test_postgres_membership import GRANT, REVOKE, execute, finer, run, without

Connection = psycopg.Connection[Any]


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> MembershipWorld:
    return MembershipWorld(REVOKE, tmp_path, cluster.superuser, cluster.log)


@pytest.fixture
def admin(world: MembershipWorld) -> Iterator[Connection]:
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        yield connection


def test_a_role_cannot_keep_a_membership_by_granting_it_to_itself(
    world: MembershipWorld, admin: Connection
) -> None:
    before = world.rows()
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        execute(own, world, "GRANT {g} TO {r}")
    assert (len(world.rows()) == 2) is finer(world)
    seen = run_observe(world.step, world.targets())
    assert seen.state["other_grantors"] == [] == seen.shown["passed_on"]
    assert would_refuse(world.step, seen) == ""
    run(world)
    assert world.rows() is None
    run(world, GRANT)
    assert world.rows() == before, "what it granted to itself does not come back"
    # Somebody else keeps what the role granted to them: then nothing is cut by a cascade.
    if finer(world):
        other = f"{world.role}_kept"
        execute(admin, world, "CREATE ROLE {o}", o=other)
        with psycopg.connect(world.own_dsn, autocommit=True) as own:
            execute(own, world, "GRANT {g} TO {r}")
            execute(own, world, "GRANT {g} TO {o}", o=other)
        kept, plan = world.rows(), world.plan()
        assert other in would_refuse(world.step, run_observe(world.step, world.targets()))
        with pytest.raises(NotApplied, match="dependent privileges exist"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        assert world.rows() == kept


def test_a_superuser_above_the_role_is_another_way(
    world: MembershipWorld, admin: Connection
) -> None:
    run(world)
    assert without(world) == [True]
    above = f"{world.role}_super"
    execute(admin, world, "CREATE ROLE {a} SUPERUSER", a=above)
    execute(admin, world, "GRANT {a} TO {r}", a=above)
    try:
        assert run_observe(world.step, world.targets()).shown["still_through"] == [above]
        assert without(world) == [False]
        execute(admin, world, "ALTER ROLE {a} NOSUPERUSER", a=above)
        assert without(world) == [True]
        execute(admin, world, "ALTER ROLE {r} SUPERUSER")
        assert without(world) == [False]
    finally:
        execute(admin, world, "ALTER ROLE {r} NOSUPERUSER")
        execute(admin, world, "DROP ROLE {a}", a=above)


def test_a_standbys_session_can_have_begun_before_the_standby_followed(
    world: MembershipWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primary does not know when a standby followed, and a standby has a clock of its own."""
    state = postgres_membership_look._STATE
    assert "pg_is_in_recovery()" in state
    run(world)
    admin = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    # Far longer ago than a statement can take: a session of now is a younger one.
    with install.alone(world.superuser) as changes:
        changes.execute(
            "UPDATE hitl_ops.membership SET revoked_at = revoked_at - interval '1 minute'"
            " WHERE member = %s::regrole",
            [f'"{world.role}"'],
        )
    with psycopg.connect(world.own_dsn):
        assert without(world) == [True]
        as_standby = state.replace("pg_is_in_recovery()", "true")
        monkeypatch.setattr(postgres_membership_look, "_STATE", as_standby)
        assert without(world) == [None]
    clusters.until(lambda: world.ask(admin, world.role)[0] == 0)
    assert without(world) == [True]


def test_enrolling_the_right_to_see_sessions_leaves_the_functions_sight(
    world: MembershipWorld, admin: Connection
) -> None:
    """The functions' own membership was changed to INHERIT FALSE: then sessions have no age."""

    def age() -> object:
        [row] = admin.execute(
            "SELECT age FROM hitl_ops.session_origins(%s::regrole) LIMIT 1", [f'"{world.role}"']
        ).fetchall()
        return row[0]

    with psycopg.connect(world.own_dsn):
        execute(admin, world, "GRANT pg_read_all_stats TO {r}")
        admin.execute("SELECT hitl_ops.manage_membership('pg_read_all_stats', %s)", [world.role])
        assert age() is not None
        target: dict[str, Json] = {**world.target, "granted": "pg_read_all_stats"}
        for action, there in ((REVOKE, False), (GRANT, True)):
            plan = make_plan(action, target, {})
            run_apply(clearance(plan), plan.body, 0, world.targets())
            assert run_observe(plan.steps[0], world.targets()).state["membership"] is there
        admin.execute("SELECT hitl_ops.unmanage_membership('pg_read_all_stats', %s)", [world.role])
        assert age() is not None


def test_a_session_without_an_age_is_an_old_one(
    world: MembershipWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world)
    blind = postgres_membership_look._STATE.replace("o.age >", "NULL::double precision >")
    monkeypatch.setattr(postgres_membership_look, "_STATE", blind)
    with psycopg.connect(world.own_dsn):
        assert without(world) == [None]


def test_a_dump_in_another_cluster_enrols_nothing_there(
    world: MembershipWorld, admin: Connection
) -> None:
    """There the kept oids can be those of other roles; the names tell."""
    world.call("revoke_membership")
    admin.execute(
        "UPDATE hitl_ops.membership SET granted_name = 'another' WHERE member = %s::regrole",
        [f'"{world.role}"'],
    )
    plan = make_plan(GRANT, world.target, {})
    assert not run_observe(plan.steps[0], world.targets()).exists
    with pytest.raises(NotApplied, match="not enrolled"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.rows() is None


def test_a_role_is_not_taken_out_while_memberships_in_it_are_enrolled(
    world: MembershipWorld, admin: Connection
) -> None:
    """Without the functions' ADMIN on it, a revoked one could not be granted again."""
    admin.execute("SELECT hitl_ops.manage(%s)", [world.group])
    run(world)
    if finer(world):
        with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="unmanage_membership"):
            admin.execute("SELECT hitl_ops.unmanage(%s)", [world.group])
    else:
        admin.execute("SELECT hitl_ops.unmanage(%s)", [world.group])
    run(world, GRANT)
    assert executor_of(world.step).spec.kind == REVOKE and without(world) == [False]
