"""Clusters of a test's own: with a role as managed PostgreSQL gives it, and with a standby."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.binaries import PostgresBinaries, postgres_binaries
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.postgres import NOT_DURABLE, PostgresCluster
from tests.executors.install import PASSWORD, login
from tests.needs import system_postgres

ADMIN, DATABASE = "provider_admin", "app"
VERSIONS = ("newest", "15")


def binaries(version: str) -> PostgresBinaries:
    """Return the programs of the newest PostgreSQL, or of the machine's of a major version."""
    return PostgresBinaries(system_postgres(15)) if version == "15" else postgres_binaries()


@contextmanager
def cluster(version: str, **settings: str) -> Iterator[PostgresCluster]:
    """Run a cluster that no other test uses."""
    with _directory() as directory:
        server = PostgresCluster(
            directory / "cluster",
            binaries=binaries(version),
            settings={**NOT_DURABLE, "max_connections": "40", **settings},
        )
        with _running(server):
            yield server


@contextmanager
def standby(primary: PostgresCluster, name: str, version: str) -> Iterator[PostgresCluster]:
    """Run a streaming standby; `name` is its application_name at the primary."""
    with _directory() as directory:
        server = _Standby(directory / "standby", primary, name, binaries(version))
        with _running(server):
            yield server


def make_admin(server: PostgresCluster) -> str:
    """Make an administrator as providers of managed servers do, with a database; return the DSN.

    Before 16 a role has ADMIN on the roles of the cluster by CREATEROLE.
    """
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(
            f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'".encode()
        )
        connection.execute(
            f"GRANT pg_signal_backend, pg_read_all_stats TO {ADMIN} WITH ADMIN OPTION".encode()
        )
    with psycopg.connect(login(server.superuser_dsn(), ADMIN), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    return login(server.superuser_dsn(DATABASE), ADMIN)


def until(seen: Callable[[], bool], seconds: float = 60.0) -> None:
    """Look until something is so, or fail."""
    give_up = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.02)


class _Standby(PostgresCluster):
    def __init__(
        self, home: Path, primary: PostgresCluster, name: str, programs: PostgresBinaries
    ) -> None:
        super().__init__(home, binaries=programs, settings={**primary._settings})
        self._primary, self._name = primary, name

    def _prepare(self, home: Path) -> None:
        super()._prepare(home)
        self._password = self._primary._password  # the roles are the primary's

    def _initialise(self, home: Path, binaries: PostgresBinaries) -> None:
        dsn = f"{self._primary.superuser_dsn()}?application_name={self._name}"
        done = self.account.run(
            [
                binaries.bin / "pg_basebackup",
                *("--pgdata", home / "data", "--dbname", dsn),
                *("--write-recovery-conf", "--checkpoint", "fast", "--wal-method", "stream"),
            ],
            cwd=home,
        )
        if done.returncode != 0:
            raise ServerFailed(f"pg_basebackup into {home} failed:\n{done.stdout}")


@contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-pg-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _running(server: PostgresCluster) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()
        remove_home(server.home)
