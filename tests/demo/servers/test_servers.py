"""The supervisor of servers, with separate real servers (not those of the test run).

Other accounts cannot enter pytest's temporary directories, so as root these tests also cover a home
that the servers' account cannot reach.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hitlportal.demo.servers import ports
from hitlportal.demo.servers.account import OUTSIDE_HOME, remove_home
from hitlportal.demo.servers.binaries import postgres_binaries
from hitlportal.demo.servers.errors import NoBinaries, ServerFailed
from hitlportal.demo.servers.postgres import LOG_EVERYTHING, NOT_DURABLE, PostgresCluster
from hitlportal.demo.servers.valkey import ValkeyServer

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0  # for effects that are immediate on an idle machine


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[PostgresCluster]:
    made = PostgresCluster(tmp_path / "cluster", settings={**NOT_DURABLE, **LOG_EVERYTHING})
    made.start()
    yield made
    made.stop()
    remove_home(made.home)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    made = ValkeyServer(tmp_path / "valkey")
    made.start()
    yield made
    made.stop()
    remove_home(made.home)


def ask(cluster: PostgresCluster, query: str) -> object:
    with psycopg.connect(cluster.superuser_dsn(), autocommit=True) as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def processes_below(home: Path) -> list[int]:
    """Return processes with their working directory below this one, as PostgreSQL's backends."""
    real = str(home.resolve())
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd").startswith(real):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended, or belongs to another account
    return found


def wait_until_gone(home: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while processes_below(home):
        assert time.monotonic() < give_up, f"still running: {processes_below(home)}"
        time.sleep(0.02)


# ---- PostgreSQL --------------------------------------------------------------------------


def test_a_cluster_has_checksums_utf8_and_scram_and_listens_on_loopback_only(
    cluster: PostgresCluster,
) -> None:
    assert ask(cluster, "SHOW data_checksums") == "on"
    assert ask(cluster, "SHOW server_encoding") == "UTF8"
    assert ask(cluster, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(cluster, "SHOW unix_socket_directories") == ""
    assert ask(cluster, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'") == 0


def test_a_cluster_refuses_a_login_without_its_password(cluster: PostgresCluster) -> None:
    wrong = f"postgresql://postgres:wrong@127.0.0.1:{cluster.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_secrets_and_logs_are_closed_to_others(cluster: PostgresCluster) -> None:
    home = cluster.home.resolve()
    for path in (home / "password", cluster.log):
        assert path.stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    arguments = Path(f"/proc/{cluster.pid}/cmdline").read_bytes()
    assert (home / "password").read_bytes() not in arguments


def test_a_restart_keeps_data_port_and_password(cluster: PostgresCluster) -> None:
    ask(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    before = cluster.superuser_dsn()
    cluster.restart()
    assert cluster.superuser_dsn() == before
    assert ask(cluster, "SELECT n FROM kept") == 42


def test_a_second_supervisor_finds_the_data_of_the_first(cluster: PostgresCluster) -> None:
    ask(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    before = cluster.superuser_dsn()
    cluster.stop()
    again = PostgresCluster(cluster.home, settings=NOT_DURABLE)
    again.start()
    try:
        assert again.superuser_dsn() == before
        assert ask(again, "SELECT n FROM kept") == 42
    finally:
        again.stop()


def test_it_restarts_after_kill_9_of_the_postmaster_with_an_open_session(
    cluster: PostgresCluster,
) -> None:
    ask(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    with psycopg.connect(cluster.superuser_dsn()):
        cluster.kill()
        assert cluster.pid is None
        cluster.start()
    assert ask(cluster, "SELECT n FROM kept") == 42


def test_stop_ends_open_sessions_and_leaves_no_process(cluster: PostgresCluster) -> None:
    with psycopg.connect(cluster.superuser_dsn()):
        assert processes_below(cluster.home)
        cluster.stop()
    assert processes_below(cluster.home) == []
    assert not ports_answer(cluster.port)


def test_the_log_names_time_user_and_statement(cluster: PostgresCluster) -> None:
    ask(cluster, "SELECT 'seen in the log'")
    lines = cluster.log.read_text().splitlines()
    statement = next(line for line in lines if "seen in the log" in line)
    assert " UTC [" in statement
    assert "user=postgres db=postgres" in statement
    assert any("connection authorized: user=postgres" in line for line in lines)


def test_data_of_another_major_version_are_refused_with_a_message(cluster: PostgresCluster) -> None:
    cluster.stop()
    (cluster.home / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServerFailed, match="was made by PostgreSQL 9"):
        cluster.start()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = PostgresCluster(tmp_path / "broken", settings={"no_such_setting": "1"})
    broken.retry_seconds = 0.0
    try:
        with pytest.raises(ServerFailed, match="no_such_setting"):
            broken.start()
    finally:
        remove_home(broken.home)


def test_missing_programs_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoBinaries, match="HITL_POSTGRES_BIN"):
        postgres_binaries(str(tmp_path))


def test_the_environment_chooses_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = postgres_binaries("embedded")
    monkeypatch.setenv("HITL_POSTGRES_BIN", str(chosen.bin))
    assert postgres_binaries().bin == chosen.bin
    assert chosen.major >= 14


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
def test_as_root_an_unreachable_home_moves_outside_roots_home(
    cluster: PostgresCluster,
) -> None:
    assert cluster.home.is_symlink()  # pytest's directories are 0700
    assert cluster.home.resolve().parent == OUTSIDE_HOME
    owner = Path(f"/proc/{cluster.pid}").stat().st_uid
    assert owner != 0
    assert (cluster.home.resolve() / "data").stat().st_uid == owner


# ---- Valkey ------------------------------------------------------------------------------


def test_valkey_needs_its_password(valkey: ValkeyServer) -> None:
    stranger = redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), retries=0))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(valkey.url()) as client:
        assert client.ping()


def test_valkey_keeps_its_data_over_a_restart(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url()) as client:
        client.set("kept", "42")
    valkey.restart()
    with redis.Redis.from_url(valkey.url()) as client:
        assert client.get("kept") == b"42"


def test_valkeys_password_is_not_in_the_process_list(valkey: ValkeyServer) -> None:
    password = (valkey.home.resolve() / "password").read_bytes()
    assert password not in Path(f"/proc/{valkey.pid}/cmdline").read_bytes()


def test_valkey_stop_leaves_no_process(valkey: ValkeyServer) -> None:
    valkey.stop()
    assert processes_below(valkey.home) == []
    assert not ports_answer(valkey.port)


# ---- both --------------------------------------------------------------------------------


def ports_answer(port: int) -> bool:
    return not ports.is_free(port)


def test_a_directory_in_use_is_refused_at_once(
    cluster: PostgresCluster, valkey: ValkeyServer
) -> None:
    for second in (PostgresCluster(cluster.home), ValkeyServer(valkey.home)):
        with pytest.raises(ServerFailed, match="run by another process"):
            second.start()
    assert ask(cluster, "SELECT 1") == 1


# The parent may ignore SIGINT (a shell does for background jobs), so set the default handler.
STARTER = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from hitlportal.demo.servers.servers import NOT_DURABLE, Servers
with Servers(Path(sys.argv[1]), settings=NOT_DURABLE) as servers:
    print(servers.portal.pid, servers.target.pid, servers.valkey.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_when_the_supervisor_is_interrupted_or_killed_no_server_stays(
    tmp_path: Path, number: signal.Signals
) -> None:
    homes = [tmp_path / name for name in ("portal", "target", "valkey")]
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert starter.stdout is not None
        with starter.stdout:
            assert len(starter.stdout.readline().split()) == 3
        starter.send_signal(number)
        starter.wait(PATIENCE)
        for home in homes:
            wait_until_gone(home)
    finally:
        starter.kill()
        for home in homes:
            remove_home(home)
