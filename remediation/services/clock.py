"""The database's clock: the one that deadlines are read by."""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """`clock_timestamp()`, aware, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
