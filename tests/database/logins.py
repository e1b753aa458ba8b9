"""Act with real logins: psycopg connections, and a replaced default connection of Django."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, connections

from tests import servers
from tests.settings import login_url

# Logins that a process or a person uses.
LOGINS = (
    *("hitl_web", "hitl_worker", "hitl_sequencer", "hitl_auditor"),
    *("hitl_eraser", "hitl_operator"),
)
ALIASES = ["default", "web", "worker", "auditor", "sequencer", "eraser", "operator"]


def database() -> str:
    """Return the name of this test process's database."""
    return str(connection.settings_dict["NAME"])


def connect(login: str, **options: Any) -> psycopg.Connection[Any]:
    """Open a connection with that login to the test database."""
    return psycopg.connect(login_url(login, database()), **options)


def superuser(name: str = "", **options: Any) -> psycopg.Connection[Any]:
    """Open a connection as superuser to the test database, or to the named one."""
    address = servers.addresses().portal.rsplit("/", 1)[0]
    return psycopg.connect(f"{address}/{name or database()}", **options)


@contextmanager
def real_login(login: str) -> Iterator[None]:
    """Replace Django's default connection in this thread by that process's login: models and
    factories then use only it. It sees only committed rows."""
    alias = login.removeprefix("hitl_")
    before = connections["default"]
    connections["default"] = connections[alias]
    try:
        yield
    finally:
        connections["default"] = before
