"""The demo's two targets, and reading them independently of the portal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import EndpointConnectionError

from hitlportal.demo.agent import postgres
from hitlportal.demo.play import independent
from hitlportal.demo.servers import ledger
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.cloud import Cloud, keys_of
from hitlportal.demo.servers.ledger import LOGINS, OBSERVER, OPERATOR, Ledger
from hitlportal.demo.servers.servers import LOG_EVERYTHING, NOT_DURABLE, PostgresCluster
from hitlportal.demo.story import CASE, CLUSTER, LEAKED, ROLE, ROTATED
from tests.agent.cases import truth

NOW = "2026-11-22T12:00:00Z"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    home = tmp_path_factory.mktemp("target") / "cluster"
    made = PostgresCluster(home, settings={**NOT_DURABLE, **LOG_EVERYTHING})
    made.start()
    yield made
    made.stop()
    remove_home(made.home)


@pytest.fixture(scope="module")
def prepared(cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    made = Ledger(cluster, tmp_path_factory.mktemp("worker"))
    made.prepare()
    return made


def test_the_targets_log_contains_no_password(cluster: PostgresCluster, prepared: Ledger) -> None:
    log = cluster.log.read_text()
    for login in (*LOGINS, ROLE, ROTATED, *LEAKED):
        password = prepared.dsn(login).partition(f"{login}:")[2].partition("@")[0]
        assert len(password) > 30
        assert password == prepared.password(login)
        assert password not in log


@pytest.mark.parametrize("login", [*LOGINS, ROLE, ROTATED, *LEAKED])
def test_the_logins_work(prepared: Ledger, login: str) -> None:
    with psycopg.connect(prepared.dsn(login)) as connection:
        assert connection.info.user == login


def test_misuse_is_found_by_the_agent_in_the_log_alone(
    cluster: PostgresCluster, prepared: Ledger
) -> None:
    ledger.misuse(prepared.dsn(ROLE))
    made = postgres.reports(postgres.read(cluster.log), CLUSTER, "production", NOW)
    assert [report["incident"]["identity"]["role"] for report in made] == [ROLE]  # type: ignore[call-overload, index]


def test_a_disabled_role_stays_disabled_over_a_second_start(
    cluster: PostgresCluster, prepared: Ledger
) -> None:
    with psycopg.connect(prepared.dsn(OPERATOR), autocommit=True) as connection:
        connection.execute("SELECT hitl_ops.disable(%s)", [ROLE])
    prepared.prepare()
    assert not prepared.may_log_in()
    assert "not permitted to log in" in independent.login_refused(prepared.dsn(ROLE))
    with psycopg.connect(prepared.dsn(OPERATOR), autocommit=True) as connection:
        connection.execute("SELECT hitl_ops.enable(%s)", [ROLE])
    assert independent.login_refused(prepared.dsn(ROLE)) == ""
    assert independent.touches(cluster.log, OPERATOR).lines > 0


def test_changing_a_locked_role_waits_until_the_lock_ends(
    cluster: PostgresCluster, prepared: Ledger
) -> None:
    first, held, _ = LEAKED
    before = len(independent.changes_of_roles(cluster.log, OPERATOR))
    ended: list[str] = []

    def disable() -> None:
        with psycopg.connect(prepared.dsn(OPERATOR), autocommit=True) as connection:
            for verb, role in (("disable", first), ("disable", held), ("enable", first)):
                connection.execute(f"SELECT hitl_ops.{verb}(%s)".encode(), [role])
                ended.append(role)

    with prepared.held(held) as waits:
        assert not waits()
        thread = threading.Thread(target=disable)
        thread.start()
        give_up = time.monotonic() + PATIENCE
        while not waits():
            assert time.monotonic() < give_up
        assert (ended, prepared.may_log_in(held)) == ([first], True)
    thread.join(PATIENCE)
    assert (ended, prepared.may_log_in(held)) == ([first, held, first], False)
    assert independent.changes_of_roles(cluster.log, OPERATOR)[before:] == [
        ("disable", first), ("disable", held), ("enable", first),
    ]  # fmt: skip
    with psycopg.connect(prepared.dsn(OPERATOR), autocommit=True) as connection:
        connection.execute("SELECT hitl_ops.enable(%s)", [held])


def test_a_stuck_session_outlives_its_role_until_it_is_let_go(prepared: Ledger) -> None:
    role = list(LEAKED)[2]
    asked = b"SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    with psycopg.connect(prepared.dsn(OBSERVER), autocommit=True) as looker:

        def alive() -> bool:
            row = looker.execute(asked, [pid]).fetchone()
            return bool(row and row[0])

        with prepared.stuck(role) as pid:
            with psycopg.connect(prepared.dsn(OPERATOR), autocommit=True) as operator:
                operator.execute("SELECT hitl_ops.disable(%s)", [role])
                operator.execute("SELECT hitl_ops.terminate(%s)", [role])
            assert "not permitted to log in" in independent.login_refused(prepared.dsn(role))
            assert alive()
        give_up = time.monotonic() + PATIENCE
        while alive():
            assert time.monotonic() < give_up
    prepared.let_log_in(role)
    assert independent.login_refused(prepared.dsn(role)) == ""


def test_a_change_by_the_observer_would_be_seen(tmp_path: Path) -> None:
    line = "2026-11-22 12:00:0{}.000 UTC [7] user={} db=ledger app= LOG:  statement: {}\n"
    log = tmp_path / "server.log"
    log.write_text(
        line.format(1, OBSERVER, "SELECT 1") + line.format(2, OBSERVER, "ALTER ROLE x NOLOGIN")
    )
    seen = independent.touches(log, OBSERVER)
    assert (seen.lines, seen.changes) == (2, ("ALTER ROLE x NOLOGIN",))
    assert independent.touches(log, OPERATOR) == independent.Touches(0, (), None)


def test_the_simulated_account_has_every_key_of_the_case(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, CASE)
    keys = keys_of(CASE)
    compromised = str(truth(CASE.name)["compromised_principals"])
    assert len(keys) == 3
    assert sum(key.id in compromised for key in keys) == 1
    assert len({len(cloud.secret_of(key.id)) for key in keys}) == 1
    assert (tmp_path / "seed.json").stat().st_mode & 0o777 == 0o600


def test_the_key_works_until_the_operator_deactivates_it(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "cloud", CASE)
    key = keys_of(CASE)[0]
    child = cloud.start(tmp_path / "aws.log")
    try:
        wait_for(cloud)
        assert independent.key_works(cloud, key)
        operator = independent.client(cloud, "iam", *cloud.credentials("operator"))
        operator.update_access_key(UserName=key.user, AccessKeyId=key.id, Status="Inactive")
        assert independent.key_status(cloud, key) == "Inactive"
        assert not independent.key_works(cloud, key)
        assert [
            call["parameters"]["AccessKeyId"] for call in cloud.calls("iam:UpdateAccessKey")
        ] == [key.id]
    finally:
        child.stop()


def wait_for(cloud: Cloud) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            independent.key_status(cloud, keys_of(CASE)[0])
            return
        except EndpointConnectionError:
            assert time.monotonic() < give_up
