"""Run a PostgreSQL cluster: created on first start, kept between starts."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from hitlportal.demo.servers.binaries import PostgresBinaries, postgres_binaries
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.server import Server

SUPERUSER = "postgres"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    # No Unix sockets: their path is limited to 107 bytes.
    "unix_socket_directories": "",
    "max_connections": "200",
    "logging_collector": "off",  # stderr is the log file, from the first line on
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] user=%u db=%d app=%a ",
    "lc_messages": "C",
}
# For a target: its log must show who did what and when.
LOG_EVERYTHING: Mapping[str, str] = {
    "log_statement": "all",
    "log_connections": "on",
    "log_disconnections": "on",
}
# For tests: data may be lost when the machine crashes, but not when the server does, so
# `synchronous_commit` stays on.
# Compiling a statement pays off with many rows, and tests have few: it took a sixth of the server's
# time.
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "jit": "off"}


class PostgresCluster(Server):
    """One cluster. `binaries` None: search for them; `settings` are added to SETTINGS."""

    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown: sessions end, data are written to disk
    not_yet = psycopg.OperationalError

    def __init__(
        self,
        home: Path,
        *,
        port: int | None = None,
        binaries: PostgresBinaries | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(home, port)
        self._binaries = binaries
        self._settings = {**SETTINGS, **(settings or {})}

    def superuser_dsn(self, database: str = "postgres") -> str:
        """Return a connection URL with the superuser's password; only after the first start."""
        # The password contains URL-safe characters only.
        return f"postgresql://{SUPERUSER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def _prepare(self, home: Path) -> None:
        binaries = (self._binaries or postgres_binaries()).usable_by(self.account, home)
        self._binaries = binaries
        made_by = home / "data" / "PG_VERSION"
        if not made_by.exists():
            self._initialise(home, binaries)
        elif int(made_by.read_text()) != binaries.major:
            raise ServerFailed(
                f"{home / 'data'} was made by PostgreSQL {made_by.read_text().strip()}, but "
                f"{binaries.bin} is {binaries.version}: choose other programs or remove the data"
            )

    def _initialise(self, home: Path, binaries: PostgresBinaries) -> None:
        done = self.account.run(
            [
                binaries.bin / "initdb",
                *("--pgdata", home / "data", "--username", SUPERUSER),
                *("--auth", "scram-sha-256", "--pwfile", home / "password"),
                *("--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"),
            ],
            cwd=home,
        )
        if done.returncode != 0:
            raise ServerFailed(f"initdb in {home} failed:\n{done.stdout}")

    def _argv(self, home: Path) -> Sequence[str | Path]:
        assert self._binaries is not None  # set by _prepare
        argv: list[str | Path] = [self._binaries.bin / "postgres", "-D", home / "data"]
        argv += ["-p", str(self.port)]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        return argv

    def _probe(self) -> None:
        psycopg.connect(self.superuser_dsn(), connect_timeout=5).close()
