"""Acting with real logins: psycopg connections, and Django's default connection exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, connections

from tests import servers
from tests.settings import login_url

# What has a process or a person behind it.
LOGINS = ("hitl_web", "hitl_worker", "hitl_sequencer", "hitl_auditor", "hitl_eraser")
ALIASES = ["default", "web", "worker", "auditor", "sequencer", "eraser"]


def database() -> str:
    """The name of this test process's database."""
    return str(connection.settings_dict["NAME"])


def connect(login: str, **options: Any) -> psycopg.Connection[Any]:
    """A connection of its own with that login, to the test database."""
    return psycopg.connect(login_url(login, database()), **options)


def superuser(name: str = "", **options: Any) -> psycopg.Connection[Any]:
    """A connection of the cluster's superuser, to the test database or the one named."""
    address = servers.addresses().portal.rsplit("/", 1)[0]
    return psycopg.connect(f"{address}/{name or database()}", **options)


@contextmanager
def real_login(login: str) -> Iterator[None]:
    """Django's default connection, in this thread, is that process's own login: models and
    factories then act with it and nothing else. It sees only what was committed."""
    alias = login.removeprefix("hitl_")
    before = connections["default"]
    connections["default"] = connections[alias]
    try:
        yield
    finally:
        connections["default"] = before
