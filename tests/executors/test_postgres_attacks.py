"""What a role, a member, or an odd name can put in the way of disabling (PostgreSQL 18 and 15)."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from remediation.domain.errors import Refused
from remediation.executors import postgres, postgres_look
from remediation.executors.errors import NotApplied, PartlyApplied
from remediation.executors.postgres import DisableRole
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_prepare,
    run_tighten,
    run_verify,
    would_refuse,
)
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.contract import AS_DEPLOYED, PostgresWorld, clearance


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> PostgresWorld:
    return PostgresWorld("postgres.role.disable", tmp_path, cluster.superuser, cluster.log)


def admin(world: PostgresWorld, statement: str, *names: str) -> None:
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def disable(world: PostgresWorld) -> None:
    run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def disable_to_the_end(world: PostgresWorld, left: str) -> None:
    """Disable, and try again what is left open as a run does: on a busy machine that takes long."""

    def tightened() -> bool:
        try:
            run_tighten(clearance(world.plan()), world.plan().body, 0, world.targets())
        except PartlyApplied as more:
            assert left in more.detail
            return False
        return True

    try:
        disable(world)
    except PartlyApplied as begun:
        assert left in begun.detail
        clusters.until(tightened, 60.0)


def verify(world: PostgresWorld) -> None:
    run_verify(clearance(world.plan()), world.plan().body, 0, world.targets())


def contained(world: PostgresWorld) -> bool:
    seen = run_observe(world.step, world.targets())
    points = DisableRole().points(world.step, seen)
    return all(p.without_access is True and not p.open for p in points)


def can_login(world: PostgresWorld) -> bool:
    return bool(world.ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", world.role)[0])


# --- B1: a login that is slow between the check of LOGIN and pg_stat_activity ---------------------


def test_b1_a_login_begun_before_nologin_comes_alive_after_contained(
    own_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any role: ALTER ROLE CURRENT_USER SET temp_tablespaces, long. No privilege is needed.

    On a cluster of its own: who looks at the others' meanwhile would see a login that has begun.
    """
    monkeypatch.setattr(postgres_look, "STARTING_SECONDS", AS_DEPLOYED)
    world = PostgresWorld("postgres.role.disable", tmp_path, own_cluster.superuser, own_cluster.log)
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        own.execute(
            "SELECT set_config('temp_tablespaces', repeat('pg_default,', 1200000)||'pg_default',"
            " false)"
        )
        own.execute("ALTER ROLE CURRENT_USER SET temp_tablespaces FROM CURRENT")
    alive: list[psycopg.Connection] = []
    errors: list[str] = []

    def log_in() -> None:
        try:
            alive.append(psycopg.connect(world.own_dsn, autocommit=True))
        except psycopg.Error as error:
            errors.append(str(error))

    thread = threading.Thread(target=log_in)
    thread.start()
    # past authentication: it holds the lock on its database, and pg_stat_activity shows no role
    starting = (
        "SELECT count(*) FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'object' AND l.classid = 'pg_database'::regclass"
        " AND a.usesysid IS NULL AND a.backend_type IS DISTINCT FROM 'autovacuum worker'"
    )
    try:
        clusters.until(lambda: world.ask(starting)[0] > 0)
        disable_to_the_end(world, "a login that has begun")
        verify(world)
        said = contained(world)
    finally:
        thread.join()
    works: list[object] = []
    for session in alive:
        with suppress(psycopg.Error), session:
            works.append(session.execute("SELECT current_user").fetchone())
    assert not (said and works), f"contained was said; the session lives: {works} {errors}"


# --- B2: the role commits changes of its own row ------------------------------------------------


def commit_a_change_while_nologin_waits(world: PostgresWorld) -> None:
    """Disable; the role holds its own row's lock with a change, and commits it then."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE usename = 'hitl_operator' AND wait_event_type = 'Lock' AND query LIKE %s"
    )
    oid = world.ask("SELECT oid FROM pg_roles WHERE rolname = %s", world.role)[0]
    with psycopg.connect(world.own_dsn) as holder:
        holder.execute("ALTER ROLE CURRENT_USER PASSWORD 'x'")

        def commit() -> None:
            clusters.until(lambda: world.ask(waiting, f"%{oid}%")[0] > 0)
            holder.commit()

        thread = threading.Thread(target=commit)
        thread.start()
        try:
            disable(world)
        finally:
            thread.join()


def test_b2_a_role_that_commits_a_change_of_its_own_row_is_disabled(world: PostgresWorld) -> None:
    """simple_heap_update: "tuple concurrently updated" (XX000) is no lock timeout."""
    commit_a_change_while_nologin_waits(world)
    assert not can_login(world)


def test_b2_control_without_trying_again_the_role_stays_on(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "in_the_way", lambda _: False)
    with pytest.raises(NotApplied, match="concurrently updated"):
        commit_a_change_while_nologin_waits(world)
    assert can_login(world)


# --- B3: a member holds the row -----------------------------------------------------------------


def test_b3_a_member_that_locks_the_roles_row_is_ended_or_named(world: PostgresWorld) -> None:
    member = f"{world.role}_m"
    dsn = install.make_role(world.superuser, member, managed=False)
    admin(world, "GRANT {} TO {}", world.role, member)
    with psycopg.connect(dsn) as holder:
        holder.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(world.role)))
        holder.execute("ALTER ROLE CURRENT_USER PASSWORD 'x'")
        said = ""
        try:
            disable(world)
        except Refused as error:
            said = str(error)
        pid = holder.info.backend_pid
        assert not can_login(world) or str(pid) in said, said


# --- B5: what runs with the role's rights and is not named ---------------------------------------


def test_b5_a_definer_trigger_and_a_view_are_named(world: PostgresWorld) -> None:
    schema = f"s_{world.role}"
    admin(world, "CREATE SCHEMA {} AUTHORIZATION {}", schema, world.role)
    other = install.make_role(world.superuser, f"{world.role}_o", managed=False)
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        own.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        for statement in (
            "CREATE TABLE secret AS SELECT 'secret' AS x",
            "CREATE TABLE door (x text)",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " $$BEGIN EXECUTE new.x; RETURN NULL; END$$",
            "REVOKE ALL ON FUNCTION f() FROM PUBLIC",
            "CREATE TRIGGER t BEFORE INSERT ON door FOR EACH ROW EXECUTE FUNCTION f()",
            "GRANT INSERT ON door TO PUBLIC",
            "CREATE VIEW window_ AS SELECT * FROM secret",
            "GRANT SELECT ON window_ TO PUBLIC",
        ):
            own.execute(statement.encode())
        own.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(sql.Identifier(schema)))
    disable(world)
    with psycopg.connect(other, autocommit=True) as stranger:  # the rights go on
        stranger.execute(f"INSERT INTO {schema}.door VALUES ('UPDATE {schema}.secret SET x = 1')")
        assert stranger.execute(f"SELECT x FROM {schema}.window_").fetchone() == ("1",)
    shown = str(dict(run_observe(world.step, world.targets()).shown))
    assert f"{schema}.f" in shown, "a definer function behind a trigger is not named"
    assert "window_" in shown, "a view with the role's rights is not named"


# --- B13: a role that may signal other backends ---------------------------------------------------


@pytest.mark.parametrize("power", ["pg_signal_backend", "pg_execute_server_program"])
def test_b13_a_role_that_can_end_the_portals_sessions_is_refused_by_name(
    world: PostgresWorld, power: str
) -> None:
    """Without the refusal it ends the operator's session, again and again, before NOLOGIN."""
    group = f"{world.role}_group"
    install.make_role(world.superuser, group, "NOLOGIN", managed=False)
    admin(world, f"GRANT {power} TO {{}}", group)
    admin(world, "GRANT {} TO {}", group, world.role)
    seen = run_observe(world.step, world.targets())
    assert power in would_refuse(world.step, seen)
    with pytest.raises(NotApplied, match=power):
        run_prepare(clearance(world.plan()), world.plan().body, 0, world.targets(), seen)


# --- B19: a database whose name is a connection string --------------------------------------------


def test_b19_the_observers_password_goes_to_no_host_that_a_database_name_says(
    world: PostgresWorld,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.1)
        name = f"host=127.0.0.1 port={trap.getsockname()[1]} dbname=x"
        admin(world, "CREATE DATABASE {}", name)
        dsn = psycopg.conninfo.make_conninfo(world.superuser, dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
            )
            connection.execute(
                sql.SQL("ALTER FUNCTION f() OWNER TO {}").format(sql.Identifier(world.role))
            )
        shown = run_observe(world.step, world.targets()).shown
        with pytest.raises(TimeoutError):
            trap.accept()
        admin(world, "DROP DATABASE {}", name)
    assert shown["definer_functions"] == [f"{name}: public.f"]


# --- B23: what came after the assessment ----------------------------------------------------------


def test_b23_what_goes_on_is_named_after_the_run_too(world: PostgresWorld) -> None:
    """The page's "does not stop" is the assessment's; the role changes that before the run."""
    schema = f"s_{world.role}"
    admin(world, "CREATE SCHEMA {} AUTHORIZATION {}", schema, world.role)
    before = run_observe(world.step, world.targets())
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        own.execute(
            f"CREATE FUNCTION {schema}.door() RETURNS int LANGUAGE sql SECURITY DEFINER"
            " AS 'SELECT 1'"
        )
    seen = run_observe(world.step, world.targets())
    assert seen.state == before.state  # no drift
    disable(world)
    done = run_verify(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert f"{schema}.door" in str(dict(done.detail)), "the confirmed step does not name it"


# --- B10: encodings -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_b10_a_database_of_another_encoding_is_served_or_refused_in_words(
    cluster: Cluster, tmp_path: Path, encoding: str
) -> None:
    database = f"db_{uuid4().hex[:8]}"
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {database} ENCODING '{encoding}' TEMPLATE template0"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    dsn = cluster.superuser.rpartition("/")[0] + f"/{database}"
    world = PostgresWorld("postgres.role.disable", tmp_path, dsn, cluster.log)
    seen = run_observe(world.step, world.targets())
    assert isinstance(seen.shown["member_of"], list)
    assert all(isinstance(each, str) for each in seen.shown["member_of"]), seen.shown
    disable(world)
    assert not can_login(world)
    verify(world)


def test_b11_a_database_name_that_is_no_utf8_does_not_make_the_role_unobservable(
    world: PostgresWorld,
) -> None:
    admin(world, "ALTER ROLE {} CREATEDB", world.role)
    plain = f"db_{uuid4().hex[:8]}"
    at = world.own_dsn.rpartition("/")[0]
    with psycopg.connect(world.own_dsn, autocommit=True) as own:
        own.execute(
            f"CREATE DATABASE {plain} ENCODING SQL_ASCII TEMPLATE template0"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    with psycopg.connect(f"{at}/{plain}", autocommit=True) as own:
        own.execute(b'CREATE DATABASE "' + plain.encode() + b'\xff" TEMPLATE template0')
        own.execute(
            b'ALTER DATABASE "' + plain.encode() + b"\xff\" SET client_encoding = 'SQL_ASCII'"
        )
    # a definer function there makes the observer read the name
    conninfo = psycopg.conninfo.conninfo_to_dict(at)
    pg = psycopg.pq.PGconn.connect(
        b" ".join(f"{k}={v}".encode() for k, v in conninfo.items() if k != "dbname")
        + b" dbname="
        + plain.encode()
        + b"\xff"
    )
    assert pg.status == psycopg.pq.ConnStatus.OK, pg.error_message
    done = pg.exec_(
        b"CREATE SCHEMA s; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql SECURITY DEFINER"
        b" AS 'SELECT 1'"
    )
    assert done.error_message == b"", done.error_message
    pg.finish()
    assert run_observe(world.step, world.targets()).exists
