"""Install hitl_ops on a target cluster as its operator would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from remediation.executors.postgres import INSTALL_SQL

# All xdist workers share the cluster and its roles: they use the same password, and only one
# installs at a time (otherwise "tuple concurrently updated"). An advisory lock belongs to one
# database, roles to the whole cluster: the lock of `postgres` counts.
PASSWORD = "only-for-tests"
LOCK = 7_411_833


@dataclass(frozen=True)
class Logins:
    """The DSNs for a targets file."""

    observe: str
    operate: str
    ticket: str = ""


def login(superuser_dsn: str, role: str, password: str = PASSWORD) -> str:
    """Return the DSN of another login in the same database."""
    at = urlsplit(superuser_dsn)
    return f"postgresql://{role}:{password}@{at.hostname}:{at.port}{at.path}"


@contextmanager
def alone(superuser_dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Connect, and keep other installations on this cluster out meanwhile."""
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(superuser_dsn, autocommit=True))
        holder = connection
        if connection.info.dbname != "postgres":
            dsn = make_conninfo(superuser_dsn, dbname="postgres")
            holder = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        holder.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield connection


def install(superuser_dsn: str) -> Logins:
    """Install or upgrade hitl_ops and set the passwords of both logins."""
    with alone(superuser_dsn) as connection:
        connection.execute(INSTALL_SQL.read_bytes())
        for role in ("hitl_observer", "hitl_operator", "hitl_ticket"):
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), PASSWORD)
            )
    return Logins(
        *(login(superuser_dsn, f"hitl_{role}") for role in ("observer", "operator", "ticket"))
    )


@cache
def installed(superuser_dsn: str) -> Logins:
    """Install hitl_ops once in this process, for a test that does not change it."""
    return install(superuser_dsn)


def make_role(superuser_dsn: str, name: str, options: str = "LOGIN", managed: bool = True) -> str:
    """Create a role with the test password, enrol it, and return its own DSN."""
    with alone(superuser_dsn) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} PASSWORD {} " + options).format(sql.Identifier(name), PASSWORD)
        )
        if managed:
            connection.execute("SELECT hitl_ops.manage(%s)", [name])
    return login(superuser_dsn, name)


def write_operate_dsn(directory: Path, dsn: str) -> Path:
    """Write the file for `operate_dsn_file`."""
    path = directory / "operate.dsn"
    path.write_text(f"{dsn}\n", encoding="utf-8")
    return path
