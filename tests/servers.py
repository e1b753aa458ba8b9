"""Start real servers for a test run: a portal cluster, a target cluster, Valkey.

`addresses()` starts them on its first call in a test run, which is in the controller of
pytest-xdist, because tests/settings.py asks for them; the workers inherit the environment and
use the same servers. HITL_TEST_POSTGRES (`embedded`, `15`, a directory) chooses the portal's.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hitlportal import roles
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.binaries import postgres_binaries
from hitlportal.demo.servers.servers import NOT_DURABLE, Servers

PORTAL = "HITL_TEST_PORTAL_SUPERUSER_DSN"
TARGET = "HITL_TEST_TARGET_SUPERUSER_DSN"
TARGET_LOG = "HITL_TEST_TARGET_LOG"
VALKEY = "HITL_TEST_VALKEY_URL"
PASSWORD = "HITL_TEST_PASSWORD"


@dataclass(frozen=True)
class Addresses:
    """Addresses of the servers of this test run; the DSNs are URLs of the superuser."""

    portal: str
    target: str
    target_log: Path  # every statement and connection of the target cluster
    valkey: str
    password: str  # of every process login on the portal's cluster


def addresses() -> Addresses:
    """Return the servers of this test run; start them on the first call."""
    if PORTAL not in os.environ:
        _start()
    return Addresses(
        portal=os.environ[PORTAL],
        target=os.environ[TARGET],
        target_log=Path(os.environ[TARGET_LOG]),
        valkey=os.environ[VALKEY],
        password=os.environ[PASSWORD],
    )


def end_sessions(database: str) -> None:
    """End every other session at `database`, so that it can be dropped.

    A thread may still hold one when all tests are over: one of the live server does so as long as
    a browser keeps its connection. Whether processes are left, their own tests ask.
    """
    with psycopg.connect(addresses().portal, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            [database],
        )


def _start() -> None:
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-tests-"))
    directory.chmod(0o711)  # PostgreSQL refuses to run as root, so servers get another account
    servers = Servers(
        directory,
        portal_binaries=postgres_binaries(os.environ.get("HITL_TEST_POSTGRES", "")),
        settings=NOT_DURABLE,
    )
    # Runs at exit, also after Ctrl-C. If pytest is killed, the kernel ends the servers.
    atexit.register(_stop, servers, directory)
    servers.start()
    os.environ[PORTAL] = servers.portal.superuser_dsn()
    os.environ[TARGET] = servers.target.superuser_dsn()
    os.environ[TARGET_LOG] = str(servers.target.log)
    os.environ[VALKEY] = servers.valkey.url()
    os.environ[PASSWORD] = secrets.token_urlsafe(16)
    _logins(os.environ[PORTAL], os.environ[PASSWORD])


def _logins(portal: str, password: str) -> None:
    """Install the real logins; only here the owner may make databases and act as any process."""
    roles.create_logins(portal, dict.fromkeys(roles.PROCESS_LOGINS, password))
    with psycopg.connect(portal, autocommit=True) as connection:
        connection.execute("ALTER ROLE hitl_owner CREATEDB")
        connection.execute(
            "GRANT hitl_web, hitl_worker, hitl_auditor, hitl_sequencer, hitl_eraser,"
            " hitl_operator TO hitl_owner"
        )


def _stop(servers: Servers, directory: Path) -> None:
    servers.stop()
    for server in (servers.portal, servers.target, servers.valkey):
        remove_home(server.home)
    shutil.rmtree(directory, ignore_errors=True)
