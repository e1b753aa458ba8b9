"""Fixtures of the database tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from pytest_django.plugin import DjangoDbBlocker

from tests.database.empty import empty_database
from tests.database.world import World, build


@pytest.fixture(autouse=True, scope="session")
def _other_logins_leave(django_db_setup: None) -> Iterator[None]:
    """Close the other logins' connections before the test database is dropped."""
    yield
    connections.close_all()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Commit the world, so that other logins see it; empty it after the module's last test."""
    with django_db_blocker.unblock():
        yield build()
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def empty(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[DatabaseWrapper]:
    """Provide an empty database behind Django's default connection."""
    with django_db_blocker.unblock(), empty_database("migrations") as made:
        yield made
