"""The audit log's entries: append-only, in the caller's transaction, exact bytes."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from audit import log
from audit.models import Entry
from tests.conftest import AsLogin

pytestmark = pytest.mark.django_db


def entry() -> log.Appended:
    return log.append(action="person:view:saved", actor="person:x", object="thing:1", data={"n": 1})


def test_stored_entries_have_canonical_bytes(as_login: AsLogin) -> None:
    with as_login("hitl_web"):
        made = entry()
    row = Entry.objects.get(pk=made.id)
    assert bytes(row.body) == made.body
    assert row.data["data"] == {"n": 1}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit.entry SET body = body", "DELETE FROM audit.entry", "TRUNCATE audit.entry"],
)
def test_a50_not_even_the_owner_changes_an_entry(statement: str) -> None:
    entry()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
