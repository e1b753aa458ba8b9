"""Whether a leaked password is the one in force, on real clusters, and what logs hold (A61)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.executors import postgres_live
from remediation.executors.base import Candidate, Compared
from remediation.executors.postgres import INSTALL_SQL
from remediation.executors.run import run_live, run_observe, run_secret_in_force
from remediation.executors.targets import Targets
from tests.executors import clusters, install
from tests.executors.conftest import Cluster
from tests.executors.contract import PostgresWorld, make_plan

SECRET = "correct-horse-7391"
TWIN = "correct-horse-7392"


@pytest.fixture(params=["newest_cluster", "cluster_15"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> PostgresWorld:
    place = request.getfixturevalue(request.param)
    return PostgresWorld("postgres.role.disable", tmp_path, place.superuser, place.log)


def password(world: PostgresWorld, value: str | None, **settings: str) -> None:
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        # The test's own statement must not put the password into the log that it reads.
        connection.execute("SET log_statement = 'none'")
        connection.execute("SET log_min_duration_statement = -1")
        for name, setting in settings.items():
            connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), setting))
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(world.role), value)
        )


def compare(world: PostgresWorld, *values: str, rule: str = "assigned_secret") -> Compared:
    candidates = [Candidate((value,), rule) for value in values]
    return run_secret_in_force(world.step, world.targets(), candidates)


def test_the_password_in_force_and_its_twin(world: PostgresWorld) -> None:
    password(world, SECRET)
    found = compare(world, TWIN, SECRET, "")
    assert found.answers[:2] == (False, True) and found.why == ""
    assert found.place == "server orders-db"


def test_after_a_rotation_elsewhere_it_is_not_in_force(world: PostgresWorld) -> None:
    password(world, SECRET)
    assert compare(world, SECRET).answers == (True,)
    password(world, "another-password-1")
    assert compare(world, SECRET).answers == (False,)


def test_an_md5_verifier(world: PostgresWorld) -> None:
    password(world, SECRET, password_encryption="md5")
    assert compare(world, SECRET, TWIN).answers == (True, False)


@pytest.mark.parametrize(
    "value",
    [
        "pä\u00adss\u00a0wörd-ﬁ",  # mapped to nothing, to a space, and by NFKC
        "\u0627x1",  # refused by the rules of direction: taken as it is
        "bell\u0007\u00e9",  # refused: a control character
    ],
)
def test_saslprep_as_postgresql_does_it(world: PostgresWorld, value: str) -> None:
    password(world, value)
    assert compare(world, value, value + "x").answers == (True, False)
    # The server's own word: it takes the password.
    with psycopg.connect(world.own_dsn, password=value):
        pass


def test_a_role_without_a_password(world: PostgresWorld) -> None:
    password(world, None)
    found = compare(world, SECRET)
    assert (found.answers, found.why) == ((False,), "the role has no password")


def test_a_role_that_is_not_enrolled_cannot_be_told(world: PostgresWorld) -> None:
    password(world, SECRET)
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        connection.execute("SELECT hitl_ops.unmanage(%s)", [world.role])
    found = compare(world, SECRET)
    assert found.answers == (None,) and "is not a member of hitl_managed" in found.why


def test_findings_that_are_no_password_of_a_role_are_not_compared(world: PostgresWorld) -> None:
    password(world, SECRET)
    assert compare(world, SECRET, rule="private_key").answers == (None,)


def test_more_work_than_allowed_is_said(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    password(world, SECRET)
    monkeypatch.setattr(postgres_live, "MOST_WORK", 2 * 4096)
    found = compare(world, "a", "b", SECRET)
    assert found.answers == (False, False, None) and "too many" in found.why


def test_more_than_one_call(world: PostgresWorld) -> None:
    password(world, SECRET)
    found = compare(world, *(f"wrong-{n}" for n in range(70)), SECRET)
    assert found.answers == (*(False,) * 70, True)


def test_a_cluster_that_does_not_answer(world: PostgresWorld) -> None:
    candidate = [Candidate((SECRET,), "assigned_secret")]
    with pytest.raises(TargetUnobservable) as refused:
        run_secret_in_force(world.step, world.targets(port=1), candidate)
    assert SECRET not in str(refused.value)


def test_a_candidate_is_in_no_repr() -> None:
    assert SECRET not in repr(Candidate((SECRET,), "assigned_secret"))


def test_a61_the_log_of_the_target_holds_neither_candidate_nor_verifier(
    world: PostgresWorld,
) -> None:
    password(world, SECRET)
    before = world.log.stat().st_size
    assert compare(world, TWIN, SECRET).answers == (False, True)
    stored = str(world.ask("SELECT rolpassword FROM pg_authid WHERE rolname = %s", world.role)[0])
    keys = stored.rpartition("$")[2].split(":")
    with world.log.open("rb") as log:
        log.seek(before)
        logged = log.read().decode(errors="replace")
    assert "hitl_ops.secret_in_force" in logged, "the cluster logs statements with parameters"
    forms = [SECRET, TWIN, *keys, *(base64.b64decode(key).hex() for key in keys)]
    assert [one for one in forms if one.lower() in logged.lower()] == []


def test_the_observer_reads_no_verifier_and_nobody_reads_the_key(world: PostgresWorld) -> None:
    for statement in (
        "SELECT rolpassword FROM pg_authid",
        "SELECT key FROM hitl_ops.challenge_key",
        f"SELECT hitl_ops.verifier('{world.role}'::regrole)",
        f"SELECT hitl_ops.challenge('{world.role}'::regrole)",
    ):
        for dsn in (world.logins.observe, world.logins.operate, world.own_dsn):
            with (
                psycopg.connect(dsn) as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                connection.execute(statement.encode())


def test_a_proof_counts_in_its_own_transaction_only(world: PostgresWorld) -> None:
    """What a log holds of one comparison answers nothing later (a control of the challenge)."""
    password(world, SECRET)
    with psycopg.connect(world.logins.observe, autocommit=True) as connection:
        with connection.transaction():
            row: Any = connection.execute(
                "SELECT * FROM hitl_ops.secret_challenge(%s)", [world.role]
            ).fetchone()
            salt = postgres_live.Salt(
                row[1], world.role, row[2], base64.b64decode(row[3]), bytes(row[4])
            )
            asked = [world.role, row[0], [postgres_live.proof_of(SECRET, salt)]]
            assert _ask(connection, asked) == [True]
        with connection.transaction():
            assert _ask(connection, asked) == [False]


def _ask(connection: psycopg.Connection[Any], asked: list[Any]) -> list[bool]:
    row = connection.execute(
        "SELECT hitl_ops.secret_in_force(%s, %s, %s::bytea[])", asked
    ).fetchone()
    return list(row[0]) if row else []


def test_live_shows_sessions_by_client(world: PostgresWorld) -> None:
    with psycopg.connect(world.own_dsn, application_name="report <b>job</b>"):
        seen = run_live(world.step, world.targets())
    (place,) = seen.shown["session_places"]  # type: ignore[misc]
    assert isinstance(place, dict)
    assert (place["program"], place["sessions"]) == ("report <b>job</b>", 1)
    assert place["from"] in ("127.0.0.1", "::1")


def test_an_older_hitl_ops_runs_steps_and_says_that_it_cannot_be_told(tmp_path: Path) -> None:
    """Then the file is run again, as an administrator upgrades."""
    with clusters.cluster("newest") as server:
        superuser = server.superuser_dsn()
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute((Path(__file__).parent / "hitl_ops_3.sql").read_bytes())
        role = install.make_role(superuser, "app_old") and "app_old"
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(
                f"ALTER ROLE hitl_observer LOGIN PASSWORD '{install.PASSWORD}'".encode()
            )
        observe = install.login(superuser, "hitl_observer")
        install.write_operate_dsn(tmp_path, install.login(superuser, "hitl_operator"))
        path = tmp_path / "targets.toml"
        path.write_text(
            f'[postgres.old]\nobserve_dsn = "{observe}"\noperate_dsn_file = "operate.dsn"\n'
        )
        targets = Targets.load(path, portal_system_identifier=None)
        target: dict[str, Json] = {"kind": "postgres.role", "cluster": "old", "role": role}
        step = make_plan("postgres.role.disable", target, {}).steps[0]
        asked = [Candidate((install.PASSWORD,), "assigned_secret")]
        assert run_observe(step, targets).exists
        assert "session_places" not in run_live(step, targets).shown
        old = run_secret_in_force(step, targets, asked)
        assert old.answers == (None,) and "has version 3" in old.why
        install.install(superuser)
        assert "session_places" in run_live(step, targets).shown
        assert run_secret_in_force(step, targets, asked).answers == (True,)


def test_an_administrator_may_withhold_the_comparison(own_cluster: Cluster, tmp_path: Path) -> None:
    world = PostgresWorld("postgres.role.disable", tmp_path, own_cluster.superuser, own_cluster.log)
    password(world, SECRET)
    with psycopg.connect(world.superuser, autocommit=True) as connection:
        try:
            connection.execute("SET hitl_ops.compare_secrets = 'off'")
            connection.execute(INSTALL_SQL.read_bytes())
            found = compare(world, SECRET)
        finally:
            connection.execute("SET hitl_ops.compare_secrets = 'on'")
            connection.execute(INSTALL_SQL.read_bytes())
    assert found.answers == (None,) and "may not read verifiers" in found.why
    assert compare(world, SECRET).answers == (True,)
