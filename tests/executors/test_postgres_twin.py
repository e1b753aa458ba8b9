"""Two roles instead of one: a second role, consumers that move to it, the first one off."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

from remediation.executors import postgres_become, postgres_twin
from remediation.executors.base import Settled
from remediation.executors.errors import NotApplied, RollbackFailed
from remediation.executors.postgres_twin import CreateTwin
from remediation.executors.run import run_apply, run_observe, run_rollback, run_tighten, run_verify
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.consumer import consumer
from tests.executors.contract import clearance, make_plan
from tests.executors.in_clear import liar
from tests.executors.rotation import RotationWorld, cleared, service

OLD = install.PASSWORD


class TwinWorld(RotationWorld):
    def __init__(self, directory: Path, cluster: Cluster) -> None:
        super().__init__(
            directory, cluster.superuser, cluster.log, action="postgres.role.create_twin"
        )

    def superuser_does(self, *statements: str) -> None:
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            for statement in statements:
                connection.execute(
                    sql.SQL(statement).format(  # type: ignore[arg-type]
                        first=sql.Identifier(self.first), role=sql.Identifier(self.role)
                    )
                )

    def undo(self) -> None:
        plan = self.plan()
        run_rollback(cleared(plan, rollback=True), plan.body, 0, self.targets(), {})

    def exists(self) -> bool:
        return self.ask("SELECT count(*) FROM pg_roles WHERE rolname = %s", self.role) == (1,)


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> TwinWorld:
    return TwinWorld(tmp_path, cluster)


def test_the_second_role_works_as_the_first_and_what_it_makes_is_the_firsts(
    world: TwinWorld,
) -> None:
    world.superuser_does(
        "CREATE SCHEMA {first} AUTHORIZATION {first}",
        "CREATE TABLE {first}.t (id int)",
        "ALTER TABLE {first}.t OWNER TO {first}",
        "ALTER ROLE {first} SET search_path TO {first}, public",
    )
    outcome = world.run()
    assert outcome.detail["like"] == world.first
    with psycopg.connect(
        world.own_dsn, user=world.role, password=world.current, autocommit=True
    ) as session:
        session.execute("INSERT INTO t VALUES (1)")
        session.execute("CREATE TABLE made (id int)")
        assert session.execute("SELECT current_user, session_user").fetchone() == (
            world.first, world.role,
        )  # fmt: skip
        assert world.ask(
            "SELECT tableowner FROM pg_tables WHERE tablename = 'made' AND schemaname = %s",
            world.first,
        ) == (world.first,)
        usename = "SELECT usename FROM pg_stat_activity WHERE pid = %s"
        assert world.ask(usename, session.info.backend_pid) == (world.role,)
    assert world.signs_in(OLD, world.first), "both work"
    assert (world.place / "current" / "username").read_text() == world.role
    seen = run_observe(world.step, world.targets())
    assert seen.state == CreateTwin().after({}, world.parameters, outcome.made)


def test_a_firsts_own_role_setting_is_the_twins_too(world: TwinWorld) -> None:
    group = f"{world.first}_group"
    install.make_role(world.superuser, group, "NOLOGIN", managed=False)
    world.superuser_does(
        f"GRANT {group} TO {{first}}",
        f"ALTER ROLE {{first}} SET role TO {group}",
        "ALTER ROLE {first} IN DATABASE postgres SET role TO {first}",
    )
    world.run()
    with psycopg.connect(world.own_dsn, user=world.role, password=world.current) as session:
        assert session.execute("SELECT current_user").fetchone() == (world.first,)
    query = (
        "SELECT setconfig FROM pg_db_role_setting WHERE setrole = %s::regrole AND setdatabase = 0"
    )
    assert world.ask(query, f'"{world.role}"') == ([f"role={group}"],)


def test_consumers_move_with_no_failed_request_and_then_the_first_is_off(world: TwinWorld) -> None:
    superuser, credential = world.superuser, world.place / "current"
    with (
        consumer(superuser, credential, "api", "poll") as api,
        consumer(superuser, credential, "pool", "age") as pool,
        consumer(superuser, credential, "batch", "signal") as batch,
    ):
        everybody = (api, pool, batch)
        for each in everybody:
            each.settle()
        outcome = world.run()
        who = tuple(service(each.name) for each in everybody)

        def unmet() -> str:
            _, why = world.sighting("consumers_moved", outcome, {}, *who)
            return "" if why is None else f"{why.name} {why.detail}"

        clusters.until(lambda: unmet() == "not_moved batch")
        batch.reload()
        clusters.until(lambda: unmet() == "")
        target = {"kind": "postgres.role", "cluster": "orders-db", "role": world.first}
        disable = make_plan("postgres.role.disable", dict(target), {})
        run_apply(clearance(disable), disable.body, 0, world.targets())
        run_verify(clearance(disable), disable.body, 0, world.targets())
        for each in everybody:
            each.settle()
            counts = each.counts()
            assert (each.failures, counts["failed"], counts["refused"]) == ([], 0, 0), each.name
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(world.own_dsn, user=world.first)


def test_quiet_is_not_claimed_for_a_consumer_that_signs_in_for_a_short_time(
    world: TwinWorld,
) -> None:
    outcome = world.run()
    nightly = service("nightly", period_s=24 * 3600)
    _, why = world.sighting("old_quiet", outcome, {}, nightly)
    assert why is not None and (why.name, "no record" in why.detail) == ("not_observable", True)
    with psycopg.connect(f"{world.own_dsn}?application_name=nightly", user=world.first):
        seen, why = world.sighting("consumers_moved", outcome, {}, nightly)
        assert why is not None and why.name == "not_moved"
    # What was seen once is remembered, also after its session has ended.
    with psycopg.connect(
        f"{world.own_dsn}?application_name=nightly", user=world.role, password=world.current
    ):
        clusters.until(lambda: world.sighting("consumers_moved", outcome, {}, nightly)[1] is None)
        seen, _ = world.sighting("consumers_moved", outcome, {}, nightly)
    again, _ = world.sighting("consumers_moved", outcome, {}, nightly, previous=seen)
    assert again.consumers[0].use.value == "moved"


def test_the_undo_gives_the_store_back_and_drops_the_role(world: TwinWorld) -> None:
    world.run()
    with psycopg.connect(
        world.own_dsn, user=world.role, password=world.current, autocommit=True
    ) as session:
        world.undo()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert not world.exists() and world.current == OLD and world.signs_in(OLD, world.first)
    assert not run_observe(world.step, world.targets()).exists
    world.undo()  # again: nothing to do


def test_a_role_with_things_of_its_own_is_turned_off_and_kept(world: TwinWorld) -> None:
    world.run()
    world.superuser_does(
        "CREATE TABLE public.{role} ()", "ALTER TABLE public.{role} OWNER TO {role}"
    )
    with pytest.raises(RollbackFailed, match="some objects depend on it"):
        world.undo()
    seen = run_observe(world.step, world.targets())
    assert seen.exists and seen.state["login"] is False
    world.superuser_does("DROP TABLE public.{role}")
    world.undo()
    assert not world.exists()


def test_a_role_of_somebody_else_is_neither_taken_over_nor_dropped(world: TwinWorld) -> None:
    install.make_role(world.superuser, world.role)
    seen = run_observe(world.step, world.targets())
    assert CreateTwin().settled(seen) is None
    with pytest.raises(NotApplied, match="already"):
        world.run(snapshot={})
    with pytest.raises(NotApplied, match="already"):
        world.prepare()
    assert world.signs_in(OLD, world.role) and world.current == OLD
    assert not (world.place / "staged").is_symlink()
    with pytest.raises(RollbackFailed, match="was not made here"):
        world.undo()
    assert world.exists()


def test_a_role_that_cannot_sign_in_from_the_worker_is_dropped_again(world: TwinWorld) -> None:
    """As where pg_hba.conf names the first role only."""
    world.superuser_does("ALTER ROLE {first} VALID UNTIL '2020-01-01 00:00:00+00'")
    with pytest.raises(NotApplied, match="could not sign in from the worker, and was dropped"):
        world.run()
    assert not world.exists() and world.current == OLD
    assert not (world.place / "staged").is_symlink()


def test_a_first_that_is_not_enrolled_or_not_there(world: TwinWorld) -> None:
    free = f"{world.first}_free"
    install.make_role(world.superuser, free, managed=False)
    for name, why in ((free, "not a member of hitl_managed"), (f"{free}_no", "there is no role")):
        world.first = name
        with pytest.raises(NotApplied, match=why):
            world.run()
        assert not world.exists()


def test_a_worker_that_dies_after_the_role_was_made_finishes_it(
    world: TwinWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(BaseException):
        pass

    def die(*_: object) -> None:
        raise Dies

    plan = world.plan()
    with monkeypatch.context() as patched:
        patched.setattr(postgres_twin, "become", die)
        with pytest.raises(Dies):
            run_apply(cleared(plan), plan.body, 0, world.targets(), {})
    seen = run_observe(world.step, world.targets())
    assert CreateTwin().settled(seen) is Settled.APPLIED
    assert len(CreateTwin().left_open(world.step, seen)) == 2  # the store, and ownership
    staged = (world.place / "staged" / "password").read_text()
    world.run(plan, {})
    assert world.current == staged and world.signs_in(staged)


def test_tightening_promotes_what_a_crash_left(
    world: TwinWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(BaseException):
        pass

    def die(*_: object) -> None:
        raise Dies

    from remediation.executors import delivery

    plan = world.plan()
    with monkeypatch.context() as patched:
        patched.setattr(delivery._Delivery, "_promote", die)
        with pytest.raises(Dies):
            run_apply(cleared(plan), plan.body, 0, world.targets(), {})
    run_tighten(cleared(plan), plan.body, 0, world.targets())
    run_verify(cleared(plan), plan.body, 0, world.targets())


def test_a_server_that_asks_for_the_new_password_in_clear_does_not_get_it(
    world: TwinWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with liar() as server:
        asked = re.sub(r":\d+/", f":{server.port}/", world.logins.observe)
        there = SimpleNamespace(observe=lambda: asked)
        monkeypatch.setattr(postgres_become, "cluster", lambda *_: there)
        with pytest.raises(NotApplied, match="password"):
            world.run()
    assert world.role.encode() in server.heard[0], "it signed in as the new role"
    assert server.heard[1] == b"", "and said nothing when it was asked for the password"
