"""The time that deadlines are read by is the database's (remediation/services/clock.py)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from remediation.services.clock import database_now


@pytest.mark.django_db
def test_it_is_aware_in_utc_and_goes_on_within_a_transaction() -> None:
    """`clock_timestamp()`; `now()` would stand still until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        begun = cursor.fetchone()[0]
    first, second = database_now(), database_now()
    assert begun < first < second
    assert first.utcoffset() == timedelta(0)
