"""What a role may be and leave behind on a real cluster (PostgreSQL 18 and 15): told truly.

The numbers are those of the situations that a PostgreSQL target has to serve. 2 and 3 (standbys, a
full cluster) stand in test_postgres_standby.py, 4 (no superuser) in test_postgres_managed.py.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import Digest
from remediation.domain.plan import Step
from remediation.executors import postgres, postgres_ending, postgres_session
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, PartlyApplied
from remediation.executors.postgres import DisableRole
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_rollback,
    run_tighten,
    would_refuse,
)
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.contract import CLUSTER, PostgresWorld, clearance

ATTRIBUTES = {
    "SUPERUSER": "superuser",
    "CREATEROLE": "createrole",
    "REPLICATION": "replication",
    "BYPASSRLS": "bypassrls",
}


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> PostgresWorld:
    return PostgresWorld("postgres.role.disable", tmp_path, cluster.superuser, cluster.log)


def execute(world: PostgresWorld, statement: str, *names: str) -> None:
    """Run a statement as superuser; each {} is a quoted name."""
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        quoted = [sql.Identifier(name) for name in names]
        connection.execute(sql.SQL(statement).format(*quoted))  # type: ignore[arg-type]


def disable(world: PostgresWorld) -> None:
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def tighten(world: PostgresWorld) -> dict[str, Json]:
    done = run_tighten(clearance(world.plan()), world.plan().body, 0, world.targets())
    return dict(done.detail)


def left_open(world: PostgresWorld) -> tuple[str, ...]:
    seen = run_observe(world.step, world.targets())
    return DisableRole().left_open(world.step, seen)


def can_login(world: PostgresWorld) -> bool:
    return bool(world.ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", world.role)[0])


# --- 1 LATE --------------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_situation_1_an_attribute_that_came_after_manage_is_seen_and_named_before_anybody_signs(
    world: PostgresWorld, attribute: str
) -> None:
    before = run_observe(world.step, world.targets())
    assert would_refuse(world.step, before) == ""
    execute(world, "ALTER ROLE {} " + attribute, world.role)
    seen = run_observe(world.step, world.targets())
    assert f"it has {attribute}," in would_refuse(world.step, seen)
    # Between signing and running it is drift: the attribute is in the pin.
    changed = {name for name in seen.state if seen.state[name] != before.state[name]}
    assert changed == {ATTRIBUTES[attribute]}
    # The control: the functions on the target refuse it by themselves, which would be too late.
    with pytest.raises(NotApplied, match="administers the cluster"):
        disable(world)
    assert can_login(world)
    execute(world, "ALTER ROLE {} NO" + attribute, world.role)


# --- 5 RECONCILED --------------------------------------------------------------------------------


def test_situation_5_login_that_somebody_set_again_is_seen_and_not_taken_away_again(
    world: PostgresWorld,
) -> None:
    disable(world)
    (point,) = DisableRole().points(world.step, run_observe(world.step, world.targets()))
    assert (point.place, point.without_access, point.open) == (f"server {CLUSTER}", True, ())
    execute(world, "ALTER ROLE {} LOGIN", world.role)
    with psycopg.connect(world.own_dsn) as session:
        assert "no session was ended" in str(tighten(world)["left_alone"])
        session.execute("SELECT 1")
        (point,) = DisableRole().points(world.step, run_observe(world.step, world.targets()))
    assert point.without_access is False
    assert "it still takes logins of the role" in point.open[0]
    assert left_open(world) == ()  # it is not applied, which is more than something left open
    assert can_login(world)


# --- 6 MEMBER OF A MEMBER ------------------------------------------------------------------------


def test_situation_6_members_of_members_are_named_with_their_sessions(
    world: PostgresWorld,
) -> None:
    m1, m2 = f"{world.role}_m1", f"{world.role}_m2"
    install.make_role(world.superuser, m1, "NOLOGIN", managed=False)
    dsn = install.make_role(world.superuser, m2, managed=False)
    execute(world, "GRANT {} TO {}", world.role, m1)
    execute(world, "GRANT {} TO {}", m1, m2)
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(world.role)))
        disable(world)
        shown = run_observe(world.step, world.targets()).shown
        assert session.execute("SELECT current_user").fetchone() == (world.role,)  # goes on
    assert shown["members"] == [m1, m2]
    assert shown["member_sessions"] == [f"{m2}: 1 session, a member through {m1}"]


@pytest.mark.parametrize(
    "cluster", ["newest_cluster"], indirect=True
)  # 16 brought WITH ADMIN alone
def test_a_member_that_must_first_grant_itself_the_role_is_said_to(world: PostgresWorld) -> None:
    name = f"{world.role}_dba"
    dsn = install.make_role(world.superuser, name, managed=False)
    execute(world, "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", world.role, name)
    with psycopg.connect(dsn):
        shown = run_observe(world.step, world.targets()).shown
    assert shown["member_sessions"] == [
        f"{name}: 1 session, who must first grant the role to itself"
    ]


# --- 7 NAMES -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["billing-sa@acme.iam", "my app identity", "1st_sync", "q\"uo'te%s", "a/b:c", "größe", "%I%%"],
)
def test_situation_7_every_name_is_observed_disabled_and_given_back(
    world: PostgresWorld, name: str
) -> None:
    world.role = f"{name} {uuid4().hex[:8]}"
    install.make_role(world.superuser, world.role)
    step = Step(
        0, world.action, 2, plan.Target("postgres.role", {"cluster": CLUSTER, "role": world.role}),
        {}, "postgres.role.enable",
    )  # fmt: skip
    executor, given, targets = DisableRole(), clearance(world.plan(PLAIN)), world.targets()
    seen = executor.observe(step, targets)
    assert seen.state["member_of_managed"] is True
    executor.apply(given, step, targets, Deadline.within(10))
    assert not can_login(world)
    executor.tighten(given, step, targets, Deadline.within(10))
    executor.rollback(given, step, targets, executor.snapshot(seen), Deadline.within(10))
    assert can_login(world)


PLAIN: dict[str, Json] = {"kind": "postgres.role", "cluster": CLUSTER, "role": "plain"}


# --- What goes on without the role's login -------------------------------------------------------


def test_functions_with_the_roles_rights_for_others_are_named_in_every_database(
    world: PostgresWorld,
) -> None:
    schema, other = f"s_{world.role}", f"db_{world.role}"
    execute(world, "CREATE DATABASE {}", other)
    elsewhere = world.superuser.rpartition("/")[0] + f"/{other}"
    for dsn in (world.superuser, elsewhere):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in (
                "CREATE SCHEMA {schema} AUTHORIZATION {role}",
                "SET ROLE {role}",
                "CREATE FUNCTION {schema}.open() RETURNS int LANGUAGE sql SECURITY DEFINER"
                " AS 'SELECT 1'",
                "CREATE FUNCTION {schema}.own() RETURNS int LANGUAGE sql SECURITY DEFINER"
                " AS 'SELECT 1'",
                "REVOKE ALL ON FUNCTION {schema}.own() FROM PUBLIC",
                "CREATE FUNCTION {schema}.plain() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            ):
                names = {"schema": sql.Identifier(schema), "role": sql.Identifier(world.role)}
                connection.execute(sql.SQL(statement).format(**names))  # type: ignore[arg-type]
    shown = run_observe(world.step, world.targets()).shown
    assert shown["definer_functions"] == [f"postgres: {schema}.open", f"{other}: {schema}.open"]
    for index in range(30):
        one = "CREATE FUNCTION {}.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
        execute(world, one.replace("f()", f"f{index}()"), schema)
        execute(world, f"ALTER FUNCTION {{}}.f{index}() OWNER TO {{}}", schema, world.role)
    functions = run_observe(world.step, world.targets()).shown["definer_functions"]
    assert isinstance(functions, list)
    assert (len(functions), functions[20]) == (22, "postgres: 11 more")
    execute(world, "ALTER DATABASE {} CONNECTION LIMIT 0", other)
    functions = run_observe(world.step, world.targets()).shown["definer_functions"]
    assert isinstance(functions, list)
    assert str(functions[-1]).startswith(f"{other}: not looked at")
    execute(world, "DROP DATABASE {}", other)


# --- A64: a session that cannot be ended ---------------------------------------------------------


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a64_a_stopped_backend_leaves_the_login_off_and_is_named_until_it_ends(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    with psycopg.connect(world.own_dsn) as stuck:
        pid = stuck.info.backend_pid
        named = f"server {CLUSTER}: session of {world.role}, pid {pid}, open since 20"
        with stopped(pid):
            for attempt in (disable, tighten):
                with pytest.raises(PartlyApplied, match=named):
                    attempt(world)
                assert not can_login(world)
                assert [named in text for text in left_open(world)] == [True]
            (point,) = DisableRole().points(world.step, run_observe(world.step, world.targets()))
            assert point.without_access is False
    assert "hitl_ops.enable" not in "".join(world.log_lines("hitl_ops"))
    monkeypatch.undo()
    tighten(world)
    assert left_open(world) == ()
    assert not can_login(world)


# Compares the needle at each place and asks for no interrupt before it is done: some 4 s.
BUSY = "SELECT position('b' || repeat('a', 5000) in repeat('a', 1000000))"


def test_a64_a_function_that_takes_no_interrupt_keeps_its_session_and_not_the_login(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    with psycopg.connect(world.own_dsn, autocommit=True) as session:
        pid = session.info.backend_pid
        ended: list[str] = []

        def run() -> None:
            try:
                session.execute(BUSY)
            except psycopg.Error as error:
                ended.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        active = "SELECT state FROM pg_stat_activity WHERE pid = %s"
        clusters.until(lambda: world.ask(active, pid) == ("active",))
        with pytest.raises(PartlyApplied, match=f"pid {pid}, open since"):
            disable(world)
        assert not can_login(world)
        thread.join()
    assert "terminating connection" in ended[0]
    monkeypatch.undo()
    tighten(world)
    assert left_open(world) == ()
    assert not can_login(world)


def holding(world: PostgresWorld, stop: threading.Event) -> None:
    """Lock the role's own row, again and again: every role may change its own password."""
    while not stop.is_set():
        with suppress(psycopg.Error), psycopg.connect(world.own_dsn) as connection:
            connection.execute("ALTER ROLE CURRENT_USER PASSWORD 'x'")
            stop.wait(60)
            connection.rollback()


def test_a64_a_role_that_keeps_its_own_row_locked_is_disabled(world: PostgresWorld) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=holding, args=(world, stop)) for _ in range(3)]
    for thread in threads:
        thread.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND query LIKE 'ALTER%%'"
    try:
        clusters.until(lambda: world.ask(waiting, world.role) == (3,))
        disable(world)
        assert not can_login(world)
        assert left_open(world) == ()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a64_control_without_ending_its_sessions_the_lock_keeps_the_login_on(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ending_meanwhile", lambda *_: nullcontext())
    monkeypatch.setattr(postgres_session, "STATEMENT_SECONDS", 1.5)
    with psycopg.connect(world.own_dsn) as holder:
        holder.execute("ALTER ROLE CURRENT_USER PASSWORD 'x'")
        with pytest.raises(NotApplied, match="timeout"):
            disable(world)
        holder.rollback()
    assert can_login(world)


def test_a64_control_a_rollback_after_a_partly_applied_step_would_give_the_login_back(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guard prevents: no automatic step calls `rollback`. Tests of runs hold that."""
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    before = run_observe(world.step, world.targets())
    with psycopg.connect(world.own_dsn) as stuck, stopped(stuck.info.backend_pid):
        with pytest.raises(PartlyApplied):
            disable(world)
        undo, body = clearance(world.plan(), rollback=True), world.plan().body
        run_rollback(undo, body, 0, world.targets(), DisableRole().snapshot(before))
        assert can_login(world)


def test_a64_control_tightening_without_a_look_would_end_sessions_that_somebody_let_in(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = "SELECT hitl_ops.terminate(rolname::text) AS open FROM pg_roles WHERE rolname = %s"
    monkeypatch.setattr(postgres_ending, "_TERMINATE", always)
    disable(world)
    execute(world, "ALTER ROLE {} LOGIN", world.role)
    with psycopg.connect(world.own_dsn) as session:
        tighten(world)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


# --- Versions ------------------------------------------------------------------------------------


def test_a05_a_plan_that_was_approved_for_version_1_never_runs(world: PostgresWorld) -> None:
    body = world.plan().body.replace(b'"executor":2', b'"executor":1')
    old = plan.load(body, protected=frozenset(), earlier=True)
    with pytest.raises(Digest, match="not a plan that can run here"):
        run_apply(clearance(old, digest=digest(Kind.PLAN, body)), body, 0, world.targets())
    assert can_login(world)
    assert world.changes() == 0
