"""Rotate a role's password on real clusters (PostgreSQL 18 and 15), with real consumers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from remediation.domain import instant
from remediation.domain.errors import TargetUnobservable
from remediation.executors import postgres_password, postgres_rotate, postgres_session
from remediation.executors.base import Deadline, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.postgres_rotate import RotatePassword
from remediation.executors.postgres_scram import make_verifier
from remediation.executors.run import run_apply, run_observe, run_tighten, run_verify
from remediation.executors.secret import SecretValue, forms
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.consumer import consumer
from tests.executors.proxy import Stall, stalling
from tests.executors.rotation import RotationWorld, cleared, service

OLD = install.PASSWORD


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> RotationWorld:
    return RotationWorld(tmp_path, cluster.superuser, cluster.log)


def test_the_new_password_signs_in_and_the_old_one_does_not(world: RotationWorld) -> None:
    with psycopg.connect(world.own_dsn, autocommit=True) as open_session:
        outcome = world.run()
        open_session.execute("SELECT 1")  # end_sessions is false
    assert world.signs_in(world.current) and not world.signs_in(OLD)
    assert world.current != OLD and len(world.current) == 40
    made = dict(outcome.made)
    assert re.fullmatch(r"hitl-[0-9a-f]{12}-0", made["version"])
    assert outcome.detail["old_refused"] == {"orders-db": True}
    seen = run_observe(world.step, world.targets())
    spec = world.step.spec
    for name, pattern in spec.makes.items():
        assert re.fullmatch(pattern, made[name]), name
    assert seen.state == RotatePassword().after(
        {**seen.state, "password_id": "x"}, world.parameters, made
    )


def test_the_same_plan_of_a_later_proposal_makes_another_password(world: RotationWorld) -> None:
    """The first one has leaked by then: to find it in force is no rotation."""
    world.run()
    leaked = world.current
    world.run(proposal="0d7c5e6e-4f0a-4f53-8a39-6a1f4a0d9c52")
    assert world.current != leaked and world.signs_in(world.current)
    assert not world.signs_in(leaked)


def test_sessions_of_the_old_password_end_if_the_plan_says_so(world: RotationWorld) -> None:
    world.end_sessions = True
    with psycopg.connect(world.own_dsn, autocommit=True) as old:
        assert world.run().detail["sessions_ended"] == 1
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")


def test_a_session_that_does_not_end_is_seen_and_tightened(world: RotationWorld) -> None:
    world.end_sessions = True
    plan = world.plan()
    with psycopg.connect(world.own_dsn) as stuck:
        pid = stuck.info.backend_pid
        subprocess.run(["kill", "-STOP", str(pid)], check=True)
        try:
            run_apply(cleared(plan), plan.body, 0, world.targets(), world.prepare())
            seen = run_observe(world.step, world.targets())
            (left,) = RotatePassword().left_open(world.step, seen)
            assert f"pid {pid}, of an earlier password" in left
            (point,) = RotatePassword().points(world.step, seen)
            assert point.without_access is False
        finally:
            subprocess.run(["kill", "-CONT", str(pid)], check=True)
    run_tighten(cleared(plan), plan.body, 0, world.targets())
    seen = run_observe(world.step, world.targets())
    assert RotatePassword().left_open(world.step, seen) == ()
    (point,) = RotatePassword().points(world.step, seen)
    assert point.without_access is True


def test_an_odd_name(world: RotationWorld) -> None:
    world.role = f"""{world.role}" 'x'; -- /*"""
    install.make_role(world.superuser, world.role)
    world.run()
    assert world.signs_in(world.current, world.role)


# --- Refusals ------------------------------------------------------------------------------------


def test_without_a_ticket_nothing_changes_and_a_ticket_by_hand_is_enough(
    world: RotationWorld,
) -> None:
    toml = world.toml
    world.toml = lambda port=None: toml(port).replace(  # type: ignore[method-assign]
        'ticket_dsn_file = "operate.ticket"\n', ""
    )
    assert run_observe(world.step, world.targets()).shown["uncut"] == []
    with pytest.raises(NotApplied, match="an administrator of the target opens one"):
        world.run()
    assert world.signs_in(OLD) and not (world.place / "staged").exists()
    world.ask(
        "SELECT hitl_ops.issue('set_verifier', rolname::text, oid, 600) FROM pg_roles"
        " WHERE rolname = %s",
        world.role,
    )
    world.run()
    assert world.signs_in(world.current)


def test_a_version_that_somebody_else_staged_stops_it(world: RotationWorld) -> None:
    snapshot = world.prepare()
    (world.place / "staged").symlink_to("versions/theirs")
    with pytest.raises(NotApplied, match="waits at apps:orders/database"):
        world.prepare()
    with pytest.raises(NotApplied, match="is staged, made by somebody else"):
        world.run(snapshot=snapshot)
    assert world.signs_in(OLD)


def test_a_place_that_the_file_does_not_allow(world: RotationWorld) -> None:
    world.store_toml = lambda: '[store.apps]\nkind = "file"\ndirectory = "store"\n'  # type: ignore[method-assign]
    with pytest.raises(TargetUnobservable, match="store apps takes nothing of"):
        run_observe(world.step, world.targets())


def test_where_verifiers_cannot_be_read_it_is_refused_before(world: RotationWorld) -> None:
    seen = run_observe(world.step, world.targets())
    blind = type(seen)(True, {**seen.state, "password_id": ""}, seen.shown, False)
    with pytest.raises(NotApplied, match="may not read verifiers"):
        RotatePassword().precheck(world.step, blind)


@contextmanager
def policy(world: RotationWorld, refusals: int) -> Iterator[None]:
    """Let the target refuse some verifiers of this role, as a check_password_hook does."""
    name = f"refuse_{world.role[-12:]}"
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [install.LOCK])
        connection.execute(f"CREATE SEQUENCE public.{name}".encode())
        connection.execute(f"GRANT USAGE ON SEQUENCE public.{name} TO hitl_ops_owner".encode())
        connection.execute(
            f"""
            CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.name = '{world.role}' AND NEW.used_at IS NOT NULL
                   AND nextval('public.{name}') <= {refusals} THEN
                    RAISE 'password is refused by policy' USING ERRCODE = '22023';
                END IF;
                RETURN NEW;
            END $$""".encode()
        )
        connection.execute(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON hitl_ops.ticket FOR EACH ROW"
            f" EXECUTE FUNCTION public.{name}()".encode()
        )
        try:
            yield
        finally:
            connection.execute(f"DROP TRIGGER {name} ON hitl_ops.ticket".encode())
            connection.execute(f"DROP FUNCTION public.{name}()".encode())
            connection.execute(f"DROP SEQUENCE public.{name}".encode())


def test_f24_a_value_that_the_policy_refuses_is_followed_by_another(world: RotationWorld) -> None:
    with policy(world, 1):
        world.run()
    assert world.signs_in(world.current) and not world.signs_in(OLD)


def test_f24_a_policy_that_refuses_every_value_leaves_the_old_one(world: RotationWorld) -> None:
    with policy(world, 1000), pytest.raises(NotApplied, match="refused 3 values by its policy"):
        world.run()
    assert world.signs_in(OLD) and world.current == OLD
    assert not (world.place / "staged").is_symlink()


def test_a_role_that_changes_its_own_password_again_is_seen(world: RotationWorld) -> None:
    outcome = world.run()
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD 'theirs'").format(sql.Identifier(world.role))
        )
    seen = run_observe(world.step, world.targets())
    assert seen.state["password_id"] != outcome.made["password_id"]
    assert seen.state["password_version"] == ""
    (point,) = RotatePassword().points(world.step, seen)
    assert point.without_access is False


def test_b2_a_role_that_locks_its_own_row_cannot_keep_the_password(world: RotationWorld) -> None:
    world.end_sessions = True
    locking = psycopg.connect(world.own_dsn)
    locking.execute("ALTER ROLE CURRENT_USER PASSWORD 'kept'")
    world.run()
    locking.close()
    assert world.signs_in(world.current) and not world.signs_in(OLD)


def test_b2_without_ending_sessions_it_can_and_nothing_changes(world: RotationWorld) -> None:
    with psycopg.connect(world.own_dsn) as locking:
        locking.execute("ALTER ROLE CURRENT_USER PASSWORD 'kept'")
        with pytest.raises(NotApplied, match="lock timeout"):
            world.run()
        locking.rollback()
    assert world.signs_in(OLD) and world.current == OLD


# --- Crashes -------------------------------------------------------------------------------------

CRASH = """
import os, sys
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.placeholder_settings"
django.setup()
from pathlib import Path
from remediation.executors import postgres_rotate, delivery
from remediation.executors.targets import Targets
from remediation.executors.run import run_apply
from remediation.domain.plan import load
from tests.executors.rotation import cleared
body, targets, where = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]
def die(*_, **__): os._exit(9)
if where == "staged":
    postgres_rotate.open_ticket = die
elif where == "set":
    real = postgres_rotate.call
    def call(*a, **k):
        real(*a, **k)
        die()
    postgres_rotate.call = call
elif where == "proved":
    delivery._Delivery._promote = die
plan = load(body, protected=frozenset(), allow_test=True)
run_apply(cleared(plan), body, 0, Targets.load(targets, portal_system_identifier=None))
"""


def killed(world: RotationWorld, where: str) -> None:
    """Run the step in a worker process that dies at this point."""
    body = world.directory / "plan"
    body.write_bytes(world.plan().body)
    world.targets()
    done = subprocess.run(
        [sys.executable, "-c", CRASH, body, world.directory / "targets-None.toml", where],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize(
    ("where", "settled"),
    [("staged", Settled.NOT_APPLIED), ("set", Settled.APPLIED), ("proved", Settled.APPLIED)],
)
def test_a_killed_worker_leaves_a_value_that_the_next_call_takes(
    world: RotationWorld, where: str, settled: Settled
) -> None:
    snapshot = world.prepare()
    killed(world, where)
    staged = (world.place / "staged" / "password").read_text()
    assert world.current == OLD
    assert world.signs_in(staged) is (settled is Settled.APPLIED)
    seen = run_observe(world.step, world.targets())
    executor = RotatePassword()
    executor.expected = snapshot
    assert executor.settled(seen) is settled
    assert executor.settled_from(world.step, seen, snapshot, {}) is settled
    found = executor.found_made(seen, snapshot)
    assert (found is not None) is (settled is Settled.APPLIED)
    plan = world.plan()
    made = run_apply(cleared(plan), plan.body, 0, world.targets(), snapshot).made
    run_verify(cleared(plan), plan.body, 0, world.targets())
    assert found is None or {**found, "set_at": ""} == {**made, "set_at": ""}
    assert world.current == staged and world.signs_in(staged) and not world.signs_in(OLD)


@pytest.mark.parametrize("where", ["set", "proved"])
def test_what_a_crash_left_staged_is_open_and_tightening_promotes_it(
    world: RotationWorld, where: str
) -> None:
    killed(world, where)
    seen = run_observe(world.step, world.targets())
    (left,) = RotatePassword().left_open(world.step, seen)
    assert "consumers read version by-hand, and hitl-" in left
    plan = world.plan()
    run_tighten(cleared(plan), plan.body, 0, world.targets())
    run_verify(cleared(plan), plan.body, 0, world.targets())
    assert world.signs_in(world.current)


@pytest.mark.parametrize("delivered", [True, False])
def test_a40_an_answer_that_is_lost_is_read_and_not_asked_again(
    world: RotationWorld, monkeypatch: pytest.MonkeyPatch, delivered: bool
) -> None:
    monkeypatch.setattr(postgres_session, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(postgres_rotate, "PATIENCE_SECONDS", 0.5)
    plan, targets, snapshot = world.plan(), world.targets(), world.prepare()
    port = int(str(conninfo_to_dict(world.superuser)["port"]))
    with stalling(port, Stall(b"hitl_ops.set_verifier", deliver=delivered)) as proxy:
        world.operate_file.write_text(re.sub(r":\d+/", f":{proxy}/", world.logins.operate))
        executor = RotatePassword()
        executor.expected = snapshot
        with pytest.raises(OutcomeUnknown):
            executor.apply(cleared(plan), world.step, targets, Deadline.within(2.5))
    staged = (world.place / "staged" / "password").read_text()
    assert world.signs_in(staged) is delivered
    world.operate_file.write_text(world.logins.operate)
    monkeypatch.undo()
    world.run(plan, snapshot)
    assert world.current == staged


# --- Consumers -----------------------------------------------------------------------------------


def test_consumers_move_and_one_that_never_reloads_does_not(world: RotationWorld) -> None:
    superuser, credential = world.superuser, world.place / "current"
    with (
        consumer(superuser, credential, "api", "poll") as api,
        consumer(superuser, credential, "batch", "signal") as batch,
        consumer(superuser, credential, "report", "never") as report,
    ):
        for each in (api, batch, report):
            each.settle()
        snapshot = world.prepare()
        outcome = world.run(snapshot=snapshot)
        who = (service("api"), service("batch"), service("report"))

        def unmet() -> str:
            _, why = world.sighting("consumers_moved", outcome, snapshot, *who)
            return "" if why is None else f"{why.name} {why.detail}"

        clusters.until(lambda: unmet() == "not_moved batch, report")
        batch.reload()
        clusters.until(lambda: unmet() == "not_moved report")
        quiet = []

        def in_use() -> bool:  # the window of a second may still be open
            quiet.append(world.sighting("old_quiet", outcome, snapshot, *who))
            why = quiet[-1][1]
            return why is not None and why.name == "old_in_use"

        clusters.until(in_use)
        assert {each.service: each.use.value for each in quiet[-1][0].consumers} == {
            "api": "moved", "batch": "moved", "report": "not_seen",
        }  # fmt: skip
        # Continuity: the pools hold old sessions until new ones are there.
        assert api.failures == batch.failures == report.failures == []
        assert report.counts()["refused"] == 0
    # The last old session is gone with its process, a moment later.
    clusters.until(
        lambda: world.sighting("old_quiet", outcome, snapshot, service("api"))[1] is None
    )


def test_with_sessions_ended_the_outage_lies_in_the_stated_window(world: RotationWorld) -> None:
    world.end_sessions = True
    with consumer(world.superuser, world.place / "current", "api", "refused") as api:
        api.settle()
        outcome = world.run()
        api.settle()
        assert outcome.detail["sessions_ended"] == 3
        counts = api.counts()
        assert counts["reloads"] == 1 and counts["sign_ins"] >= 4
        # It reads the store when it is refused, and the store had the new one before.
        assert len(api.failures) <= 1


def test_f08_a_pool_that_is_a_mix_has_not_moved(world: RotationWorld) -> None:
    dsn = f"{world.own_dsn}?application_name=mixed"
    with psycopg.connect(dsn) as old:
        snapshot = world.prepare()
        outcome = world.run(snapshot=snapshot)
        with psycopg.connect(dsn, password=world.current):
            seen, why = world.sighting("consumers_moved", outcome, snapshot, service("mixed"))
            assert why is not None and why.name == "not_moved"
            assert seen.consumers[0].detail == (
                "open sessions: 1 with the old one, 1 with the new one"
            )
            old.close()
            clusters.until(
                lambda: (
                    world.sighting("consumers_moved", outcome, snapshot, service("mixed"))[1]
                    is None
                )
            )


def test_a_server_that_answers_slowly_makes_no_old_session_a_new_one(
    world: RotationWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = world.prepare()
    outcome = world.run(snapshot=snapshot)
    with psycopg.connect(f"{world.own_dsn}?application_name=api", password=world.current):
        # As if it had begun just before the change.
        made = {**outcome.made, "set_at": instant.dump(datetime.now(UTC))}
        before = replace(outcome, made=made)
        seen, _ = world.sighting("consumers_moved", before, snapshot, service("api"))
        assert "1 with the old one" in seen.consumers[0].detail
        slow = (
            f"WITH s AS MATERIALIZED ({postgres_password._ORIGINS})"
            " SELECT s.* FROM s CROSS JOIN LATERAL (SELECT pg_sleep(1.5 + 0 * s.pid)) z"
        )
        monkeypatch.setattr(postgres_password, "_ORIGINS", slow)
        _, why = world.sighting("consumers_moved", before, snapshot, service("api"))
        assert why is not None and why.name == "not_moved"


def test_others_than_the_inventorys_consumers_are_named(world: RotationWorld) -> None:
    with psycopg.connect(f"{world.own_dsn}?application_name=psql%20stranger"):
        snapshot = world.prepare()
        outcome = world.run(snapshot=snapshot)
        seen, _ = world.sighting("old_quiet", outcome, snapshot, service("api"))
        assert seen.others == ("“psql stranger” at 127.0.0.1",)
        by_address = service("api", "127.0.0.1")
        seen, why = world.sighting("consumers_moved", outcome, snapshot, by_address)
        assert seen.others == () and why is not None and why.name == "not_moved"


def test_a_password_that_was_changed_again_moves_nobody(world: RotationWorld) -> None:
    snapshot = world.prepare()
    outcome = world.run(snapshot=snapshot)
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD 'theirs'").format(sql.Identifier(world.role))
        )
    with psycopg.connect(f"{world.own_dsn}?application_name=api", password="theirs"):
        _, why = world.sighting("consumers_moved", outcome, snapshot, service("api"))
    assert why is not None and "holds another password" in why.detail


# --- Where the value is not ----------------------------------------------------------------------


def test_a61_the_value_and_the_old_one_stand_in_no_log_and_no_statistics(
    world: RotationWorld, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = postgres_rotate.make_password

    def noting() -> str:
        made.append(real())
        return made[-1]

    monkeypatch.setattr(postgres_rotate, "make_password", noting)
    old = "an-old-secret-7391-that-leaked"
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute("SET log_statement = 'none'")
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(world.role), make_verifier(old)
            )
        )
    (world.place / "current" / "password").chmod(0o600)
    (world.place / "current" / "password").write_text(old)
    outcome = world.run()
    assert outcome.detail["old_refused"] == {"orders-db": True}
    log = world.log.read_text(errors="replace")
    assert "set_verifier" in log, "the log has what was sent"
    for value in (made[0], old):
        for text in (log, caplog.text, repr(outcome), *statistics(world)):
            assert not any(form in text for form in forms(value))
    with pytest.raises(TypeError):
        str(SecretValue({"password": made[0]}))


def statistics(world: RotationWorld) -> list[str]:
    """Return what pg_stat_activity and, where it is installed, pg_stat_statements show."""
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        queries: list[Any] = connection.execute("SELECT query FROM pg_stat_activity").fetchall()
        if connection.execute(
            "SELECT FROM pg_extension WHERE extname = 'pg_stat_statements'"
        ).fetchone():
            queries += connection.execute("SELECT query FROM pg_stat_statements").fetchall()
    return [str(each[0]) for each in queries]
