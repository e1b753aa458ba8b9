"""Prepare the target cluster: a ledger that a reporting program reads as role svc_reports.

Does what the cluster's operator would do: tables, the role, hitl_ops and its two logins. Passwords
are sent as SCRAM verifiers, because the server logs every statement.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from hitlportal.demo.servers import private
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.postgres import PostgresCluster
from hitlportal.demo.story import DATABASE, LEAKED, ROLE, ROTATED, SHARED
from remediation.executors.postgres import INSTALL_SQL

OBSERVER, OPERATOR, TICKET = LOGINS = ("hitl_observer", "hitl_operator", "hitl_ticket")
TABLES = """
CREATE TABLE IF NOT EXISTS settlements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day date NOT NULL, merchant text NOT NULL, cents bigint NOT NULL);
CREATE TABLE IF NOT EXISTS payouts (iban text PRIMARY KEY, cents bigint NOT NULL);
CREATE TABLE IF NOT EXISTS card_tokens (token text PRIMARY KEY, merchant text NOT NULL);
INSERT INTO settlements (day, merchant, cents)
    SELECT date '2026-11-01' + n % 20, 'merchant ' || n % 7, 1000 + n * 37 % 9000
      FROM generate_series(1, 500) AS n
     WHERE NOT EXISTS (SELECT FROM settlements);
"""


class Ledger:
    """The target cluster's roles and their password files. The cluster must be running."""

    def __init__(self, cluster: PostgresCluster, directory: Path) -> None:
        self._cluster = cluster
        self._directory = directory  # for the worker, and for the programs that use the ledger

    def prepare(self) -> None:
        """Create what is missing; keep later changes, such as a disabled role."""
        self._make_database()
        with self._superuser(DATABASE) as connection:
            connection.execute(TABLES)
            connection.execute(INSTALL_SQL.read_bytes())
            for login in LOGINS:
                self._set_password(connection, login, "LOGIN")
            for role in (ROLE, *LEAKED, SHARED, ROTATED):
                if not _exists(connection, "pg_roles", "rolname", role):
                    self._make_role(connection, role)
        for login in LOGINS:
            private.write(self.dsn_file(login), self.dsn(login))

    def dsn(self, login: str) -> str:
        """Return the address with this login's password."""
        return self.dsn_with(login, self.password(login))

    def dsn_with(self, login: str, password: str) -> str:
        return f"postgresql://{login}:{password}@{LOOPBACK}:{self._cluster.port}/{DATABASE}"

    @property
    def address(self) -> str:
        """The address without a login."""
        return f"postgresql://{LOOPBACK}:{self._cluster.port}/{DATABASE}"

    def dsn_file(self, login: str) -> Path:
        """Return the file from which the worker reads the address."""
        return self._directory / f"{login}.dsn"

    def sessions(self) -> int:
        """Return how many sessions the role has, as the cluster's superuser sees it."""
        with self._superuser(DATABASE) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [ROLE]
            ).fetchone()
        assert row is not None  # an aggregate always returns one row
        return int(row[0])

    def may_log_in(self, role: str = ROLE) -> bool:
        """Return whether the role may log in, according to the cluster's catalogue."""
        with self._superuser(DATABASE) as connection:
            row = connection.execute(
                "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [role]
            ).fetchone()
        return bool(row and row[0])

    def leaked(self) -> Mapping[str, str]:
        """Return the addresses of the leaked roles, with their passwords."""
        return {role: self.dsn(role) for role in LEAKED}

    def password(self, login: str) -> str:
        return private.kept(self._password_file(login))

    @contextmanager
    def held(self, role: str) -> Iterator[Callable[[], bool]]:
        """Lock this role's row until the block ends, so that every change of the role waits.

        Yields a function that returns whether the portal's operator login is waiting.
        """
        with (
            self._superuser(DATABASE) as looker,
            self._superuser(DATABASE) as holder,
            holder.transaction(),
        ):
            holder.execute("SELECT FROM pg_authid WHERE rolname = %s FOR UPDATE", [role])

            def waits() -> bool:
                row = looker.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE usename = %s AND %s = ANY (pg_blocking_pids(pid))",
                    [OPERATOR, holder.info.backend_pid],
                ).fetchone()
                return bool(row and row[0])

            yield waits

    @contextmanager
    def stuck(self, role: str) -> Iterator[int]:
        """Keep a session of this role that takes no signal until the block ends; yields its pid.

        The server's process is stopped, as a backend is that hangs in the kernel or in a function
        that takes no interrupt.
        """
        with closing(psycopg.connect(self.dsn(role), autocommit=True)) as session:
            pid = session.info.backend_pid
            os.kill(pid, signal.SIGSTOP)
            try:
                yield pid
            finally:
                os.kill(pid, signal.SIGCONT)

    def let_log_in(self, role: str) -> None:
        """Set a role to LOGIN, as an administrator who does not know why it is off."""
        with self._superuser(DATABASE) as connection:
            connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))

    def rotate(self, role: str) -> None:
        """Give a role another password, as an administrator does; whether it may log in stays."""
        private.write(self._password_file(role), secrets.token_urlsafe(24))
        with self._superuser(DATABASE) as connection:
            self._set_password(connection, role)

    def _password_file(self, login: str) -> Path:
        return self._directory / f"{login}.password"

    def _make_database(self) -> None:
        with self._superuser("postgres") as connection:
            if not _exists(connection, "pg_database", "datname", DATABASE):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _make_role(self, connection: psycopg.Connection[tuple[Any, ...]], role: str) -> None:
        """Create a program's role, enrolled so that hitl_ops may disable it."""
        name = sql.Identifier(role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        self._set_password(connection, role, "LOGIN")
        connection.execute(sql.SQL("GRANT SELECT ON settlements TO {}").format(name))
        connection.execute("SELECT hitl_ops.manage(%s)", [role])

    def _set_password(
        self, connection: psycopg.Connection[tuple[Any, ...]], login: str, options: str = ""
    ) -> None:
        """Set a password as a SCRAM verifier (RFC 5803), so that the log contains no password."""
        password = self.password(login)
        verifier = connection.pgconn.encrypt_password(
            password.encode(), login.encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("ALTER ROLE {} " + options + " PASSWORD {}").format(
                sql.Identifier(login), sql.Literal(verifier.decode())
            )
        )

    def _superuser(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self._cluster.superuser_dsn(database), autocommit=True, application_name="ledger-admin"
        )


def misuse(dsn: str) -> None:
    """Run the statements of an intruder who has the role's password; each is refused and logged."""
    with psycopg.connect(dsn, autocommit=True, application_name="psql") as connection:
        for statement in (
            "SELECT rolname, rolpassword FROM pg_authid",
            "SELECT * FROM card_tokens",
            "SELECT * FROM payouts",
            "COPY settlements TO PROGRAM 'tee /tmp/settlements'",
        ):
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            raise RuntimeError(f"the demo's role has a right that it must not have: {statement}")


def _exists(
    connection: psycopg.Connection[tuple[Any, ...]], table: str, column: str, value: str
) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier("pg_catalog", table), sql.Identifier(column)
    )
    return connection.execute(query, [value]).fetchone() is not None
