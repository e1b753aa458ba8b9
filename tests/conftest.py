"""Fixtures for all tests. Servers: tests/servers.py; what a test may lack: tests/needs.py."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import hypothesis
import pytest
from django.db import connection
from psycopg.pq import TransactionStatus
from pytest_django.plugin import DjangoDbBlocker

from hitlportal import roles
from tests import emitted, flush, guard, servers

# Tests share the cores, so the duration of an example says nothing about the code.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")

# Whole stacks are installed, started and killed in these, minutes each. Begun last, one worker
# would still be at them when the others have nothing left.
LONGEST = (
    "tests/packaging/test_operations.py",
    "tests/packaging/test_installed.py",
    "tests/kills/",
)

# ---- infrastructure ----------------------------------------------------------------------


def pytest_configure() -> None:
    """Start the servers in the controller, before xdist's workers are started."""
    servers.addresses()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first: each worker begins with a share of the list, in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """Keep the collector from walking what was imported: it stays, and is most of what there is."""
    gc.collect()
    gc.freeze()
    # Fewer looks, too: 8 % of a test run's CPU went into them.
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True, scope="session")
def _inside_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        guard.guard_sockets(patch)
        yield


@pytest.fixture(scope="session")
def addresses() -> servers.Addresses:
    """Return the addresses of the real servers of this test run."""
    return servers.addresses()


# ---- logins, people, agents ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Apply the grants to the test database, which hitl_owner migrated."""
    with django_db_blocker.unblock():
        name = str(connection.settings_dict["NAME"])
        superuser = servers.addresses().portal.rsplit("/", 1)[0] + f"/{name}"
        roles.narrow_database(superuser, name)
        connection.ensure_connection()
        roles.apply_grants(connection.connection)
        flush.patch()
        emitted.patch()
    yield
    servers.end_sessions(name)


AsLogin = Callable[[str], AbstractContextManager[None]]


@contextmanager
def _as_login(login: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        before = cursor.fetchone()[0]
        cursor.execute(f'SET ROLE "{login}"')
    try:
        yield
    finally:
        # In a broken transaction, the rollback restores the role.
        if not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute(f'SET ROLE "{before}"')


@pytest.fixture
def as_login() -> AsLogin:
    """Return a context manager: `with as_login("hitl_web"):` acts with that login's rights."""
    return _as_login


@pytest.fixture(autouse=True)
def _role_is_reset(request: Any) -> Iterator[None]:
    """Reset the role after a test that failed inside `as_login`.

    Release locks of the session too. Keep the connection: a new one compiles every trigger again.
    """
    yield
    raw = connection.connection
    if raw is None or connection.in_atomic_block:
        return
    if raw.closed or raw.info.transaction_status != TransactionStatus.IDLE:
        connection.close()
    else:
        raw.execute("RESET ROLE")
        raw.execute("SELECT pg_advisory_unlock_all()")
