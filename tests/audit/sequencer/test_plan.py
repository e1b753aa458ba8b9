"""How PostgreSQL looks for entries that are no leaves yet, whatever its statistics say."""

from __future__ import annotations

from django.db import connection

from audit import sequencer
from tests.audit.conftest import House
from tests.database.logins import superuser


def test_leaves_are_searched_by_entry_when_statistics_say_that_there_are_none(
    house: House,
) -> None:
    """As after a VACUUM while a large batch was not committed. Each entry read all leaves: 66,000
    entries took minutes, and the worker waits for their proofs."""
    house.write(1_200)  # of a few hundred it may well read all
    house.integrate()
    with superuser(autocommit=True) as other:
        other.execute("VACUUM audit.entry, audit.leaf")
        statistics = other.execute(
            "SELECT reltuples FROM pg_class WHERE oid = 'audit.leaf'::regclass"
        ).fetchone()
    assert statistics == (0,)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sequencer._PENDING, ["0", True, "0", 1000])
        lines = [line for (line,) in cursor.fetchall()]
    assert [line for line in lines if "Index Cond: (entry_id = e.id)" in line], lines
    assert not [line for line in lines if "Join Filter" in line], lines
