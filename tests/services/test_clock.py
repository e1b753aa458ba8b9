"""Deadlines are compared with the database's time (remediation/services/clock.py)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from remediation.services.clock import database_now


@pytest.mark.django_db
def test_the_clock_is_in_utc_and_advances_within_a_transaction() -> None:
    """`now()` would return the start of the transaction, so it reads `clock_timestamp()`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        begun = cursor.fetchone()[0]
    first, second = database_now(), database_now()
    assert begun < first < second
    assert first.utcoffset() == timedelta(0)
