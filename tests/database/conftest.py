"""Fixtures of the database tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections


@pytest.fixture(autouse=True, scope="session")
def _other_logins_leave(django_db_setup: None) -> Iterator[None]:
    """The other logins' connections end before the test database is dropped."""
    yield
    connections.close_all()
