"""Disable a role on a real cluster (PostgreSQL 18 and 15): effects and refusals."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from remediation.domain.errors import TargetUnobservable
from remediation.executors import postgres_session
from remediation.executors.base import Deadline, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied, VerifyFailed
from remediation.executors.postgres import DisableRole
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback, run_verify
from tests.executors import install
from tests.executors.conftest import Cluster
from tests.executors.contract import PostgresWorld, clearance
from tests.executors.proxy import Stall, stalling


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> PostgresWorld:
    return PostgresWorld("postgres.role.disable", tmp_path, cluster.superuser, cluster.log)


def disable(world: PostgresWorld) -> None:
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


@contextmanager
def locked(world: PostgresWorld) -> Iterator[None]:
    """Lock the role's row in another session."""
    with psycopg.connect(world.superuser) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} CONNECTION LIMIT 7").format(sql.Identifier(world.role))
        )
        yield
        connection.rollback()


# --- What it does ------------------------------------------------------------------------------


def test_open_sessions_end_new_logins_are_refused_and_others_keep_working(
    world: PostgresWorld,
) -> None:
    bystander = install.make_role(world.superuser, f"{world.role}_other")
    with (
        psycopg.connect(world.own_dsn, autocommit=True) as one,
        psycopg.connect(world.own_dsn) as two,
        psycopg.connect(bystander, autocommit=True) as other,
        psycopg.connect(world.superuser, autocommit=True) as superuser,
    ):
        two.execute("SELECT 1")  # in a transaction
        given = clearance(world.plan())
        ended = run_apply(given, world.plan().body, 0, world.targets())
        assert ended.detail == {"sessions_ended": 2}
        for connection in (one, two):
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        for connection in (other, superuser):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(world.own_dsn)
    assert run_verify(given, world.plan().body, 0, world.targets()).detail["sessions"] == 0


def test_rolled_back_the_role_logs_in_again_with_its_own_password(world: PostgresWorld) -> None:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    disable(world)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    psycopg.connect(world.own_dsn).close()


def test_a_pool_that_reconnects_all_the_time_is_out_when_it_returns(world: PostgresWorld) -> None:
    stop, started = threading.Event(), threading.Barrier(5)

    def pool() -> None:
        started.wait()
        while not stop.is_set():
            with suppress(psycopg.Error), psycopg.connect(world.own_dsn) as connection:
                started_session = connection.execute("SELECT pg_sleep(0.05)")
                started_session.fetchone()

    threads = [threading.Thread(target=pool) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    try:
        disable(world)
        seen = run_observe(world.step, world.targets())
        assert (seen.state["login"], seen.shown["sessions"]) == (False, 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_what_people_see_beside_the_pin(world: PostgresWorld) -> None:
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        name = sql.Identifier(world.role)
        connection.execute(sql.SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(name))
        connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, name))
        install.make_role(world.superuser, f"{world.role}_heir", "LOGIN", managed=False)
        connection.execute(
            sql.SQL("GRANT {} TO {}").format(name, sql.Identifier(f"{world.role}_heir"))
        )
    with psycopg.connect(world.own_dsn):
        shown = run_observe(world.step, world.targets()).shown
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00", str(shown["last_activity"]))
    assert dict(shown) | {"last_activity": ""} == {
        "sessions": 1,
        "last_activity": "",
        "valid_until": "infinity",
        "owned_objects": 1,
        "prepared_transactions": 0,
        "member_of": ["hitl_managed"],
        "can_become": [],
        "members": [f"{world.role}_heir"],
        "member_sessions": [],
        "definer_functions": [],
        "servers": shown["servers"],
        "standbys_unseen": [],
        "subscribers": [],
        "pooler": None,
        "uncut": ["this worker holds the login that opens tickets, too"],
    }


def test_a_role_name_of_every_allowed_kind_of_character_is_quoted(
    world: PostgresWorld,
) -> None:
    world.role = f"App.{world.role[4:]}-$1"
    install.make_role(world.superuser, world.role)
    disable(world)
    assert run_observe(world.step, world.targets()).state["login"] is False


# --- What it refuses ---------------------------------------------------------------------------


def test_a_role_that_is_not_enrolled_is_seen_but_not_acted_on(world: PostgresWorld) -> None:
    world.role = f"{world.role}_free"
    install.make_role(world.superuser, world.role, managed=False)
    seen = run_observe(world.step, world.targets())
    assert seen.state["member_of_managed"] is False
    plan = world.plan()
    with pytest.raises(NotApplied, match="not a member of hitl_managed"):
        run_prepare(clearance(plan), plan.body, 0, world.targets(), seen)
    with pytest.raises(NotApplied, match="not a member of hitl_managed"):
        disable(world)
    psycopg.connect(install.login(world.superuser, world.role)).close()


def test_the_portals_own_cluster_is_not_even_looked_at(world: PostgresWorld) -> None:
    row = world.ask("SELECT system_identifier FROM pg_control_system()")
    world.portal = row[0]
    with pytest.raises(TargetUnobservable, match="protected_target"):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied, match="protected_target"):
        disable(world)
    assert world.changes() == 0
    world.portal = row[0] + 1
    disable(world)


def test_a_login_with_which_a_mistake_could_do_anything_is_refused(world: PostgresWorld) -> None:
    creator = install.make_role(
        world.superuser, f"{world.role}_creator", "LOGIN CREATEROLE", managed=False
    )
    for too_powerful in (world.superuser, creator):
        world.operate_file.write_text(too_powerful)
        with pytest.raises(NotApplied, match="superuser or may create roles"):
            disable(world)
        world.logins = install.Logins(observe=too_powerful, operate="")
        with pytest.raises(TargetUnobservable, match="superuser or may create roles"):
            run_observe(world.step, world.targets())
    assert world.changes() == 0


def test_a_malformed_dsn_is_not_quoted_in_the_refusal(world: PostgresWorld) -> None:
    world.operate_file.write_text("password is hunter2 you know")
    with pytest.raises(NotApplied) as refused:
        disable(world)
    assert "hunter2" not in str(refused.value)


# --- When the cluster does not cooperate -------------------------------------------------------


def test_a_locked_role_is_not_waited_for_beyond_the_time_allowed(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "STATEMENT_SECONDS", 0.3)
    with locked(world), pytest.raises(NotApplied, match="timeout"):
        disable(world)
    monkeypatch.undo()
    assert run_observe(world.step, world.targets()).state["login"] is True


@pytest.mark.parametrize("delivered", [True, False])
def test_a40_no_answer_leaves_the_outcome_unknown_until_the_target_is_read(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch, delivered: bool
) -> None:
    monkeypatch.setattr(postgres_session, "GRACE_SECONDS", 0.1)
    through_proxy(world, Stall(b"hitl_ops.disable", deliver=delivered), OutcomeUnknown)
    seen = run_observe(world.step, world.targets())
    assert seen.state["login"] is not delivered
    expected = Settled.APPLIED if delivered else Settled.NOT_APPLIED
    assert DisableRole().settled(seen) is expected


def test_a40_an_answer_lost_after_nologin_is_partly_applied(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "GRACE_SECONDS", 0.1)
    with psycopg.connect(world.own_dsn):
        through_proxy(world, Stall(b"hitl_ops.terminate", deliver=False), PartlyApplied)
        seen = run_observe(world.step, world.targets())
        assert (seen.state["login"], seen.shown["sessions"]) == (False, 1)
        assert DisableRole().settled(seen) is Settled.APPLIED
        (left,) = DisableRole().left_open(world.step, seen)
        assert f"session of {world.role}, pid" in left


def through_proxy(world: PostgresWorld, stall: Stall, outcome: type[Exception]) -> None:
    """Apply over a connection that stops answering; it must end by itself with this outcome."""
    targets = world.targets()
    with stalling(int(str(conninfo_to_dict(world.superuser)["port"])), stall) as port:
        world.operate_file.write_text(re.sub(r":\d+/", f":{port}/", world.logins.operate))
        with pytest.raises(outcome):  # the time must be enough to sign in on a busy machine
            DisableRole().apply(clearance(world.plan()), world.step, targets, Deadline.within(3))


def test_a_session_that_does_not_end_is_reported_and_not_called_done(world: PostgresWorld) -> None:
    given, targets = clearance(world.plan()), world.targets()
    with psycopg.connect(world.own_dsn) as stuck:
        os.kill(stuck.info.backend_pid, signal.SIGSTOP)
        try:
            named = f"server orders-db: session of {world.role}, pid {stuck.info.backend_pid}, open"
            with pytest.raises(PartlyApplied, match=named):
                DisableRole().apply(given, world.step, targets, Deadline.within(3))
            with pytest.raises(VerifyFailed, match=named):
                DisableRole().verify(given, world.step, targets, Deadline.within(0))
        finally:
            os.kill(stuck.info.backend_pid, signal.SIGCONT)
    run_verify(given, world.plan().body, 0, targets)
