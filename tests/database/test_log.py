"""Attacks of each login on the log's tables: writing the tree, erasing, hostile bytes."""

from __future__ import annotations

import json
from hashlib import sha256

import psycopg
import pytest
from django.db import connection, transaction

from audit import log
from audit.models import Entry, Secret
from audit.tlog.errors import NotCanonical
from tests import factories
from tests.conftest import AsLogin
from tests.database.attack import APPEND_ONLY, DENIED, refused, sql
from tests.database.logins import LOGINS, connect
from tests.every import every

pytestmark = pytest.mark.django_db

TREE_WRITES = [
    "INSERT INTO audit.leaf (idx, entry_id, hash) VALUES (0, 1, sha256('x'))",
    "INSERT INTO audit.node (level, idx, hash) VALUES (1, 0, sha256('x'))",
    "INSERT INTO audit.checkpoint (size, note) VALUES (0, 'x')",
    "INSERT INTO audit.cosignature (size, witness, line) VALUES (0, 'x', 'x')",
    "SELECT audit.search_v1(0, 10)",
]


@every("statement", TREE_WRITES)
@every("login", [name for name in LOGINS if name != "hitl_sequencer"], undo=True)
def test_a50_only_the_sequencer_writes_the_tree(login: str, statement: str) -> None:
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:  # noqa: SIM117
        with refused(DENIED):
            it.execute(statement)


FORGERIES = [
    "INSERT INTO audit.entry (txid, body) VALUES ('3'::xid8, '{}')",
    "INSERT INTO audit.entry (id, body) OVERRIDING SYSTEM VALUE VALUES (1, '{}')",
    "INSERT INTO audit.entry (body) VALUES ('{}') ON CONFLICT (id) DO UPDATE SET body = '{}'",
    "WITH gone AS (DELETE FROM audit.entry RETURNING id) SELECT count(*) FROM gone",
    "SELECT setval(pg_get_serial_sequence('audit.entry', 'id'), 1)",
    "ALTER TABLE audit.entry DISABLE TRIGGER append_only",
]


@every("statement", FORGERIES)
@every("login", LOGINS, undo=True)
def test_a50_no_login_forges_an_entry(login: str, statement: str) -> None:
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:  # noqa: SIM117
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            it.execute(statement)


@pytest.mark.parametrize("login", ["hitl_web", "hitl_eraser", "hitl_sequencer"])
def test_only_some_logins_read_committed_values(login: str) -> None:
    with connect(login, autocommit=True) as it:  # noqa: SIM117
        with refused(DENIED):
            it.execute("SELECT value FROM audit.secret")


@pytest.mark.parametrize("login", [name for name in LOGINS if name != "hitl_eraser"])
def test_only_the_eraser_erases(login: str) -> None:
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:  # noqa: SIM117
        with refused(DENIED):
            it.execute("DELETE FROM audit.secret")


@pytest.mark.parametrize(
    "statement", ["UPDATE audit.secret SET value = 'x'", "TRUNCATE audit.secret"]
)
def test_a_committed_value_can_be_erased_but_not_rewritten(statement: str) -> None:
    with refused(APPEND_ONLY), transaction.atomic():
        sql(statement)


def test_an_entry_holds_a_private_value_as_a_commitment(as_login: AsLogin) -> None:
    with as_login("hitl_web"):
        made = log.append(
            action="person:user:created",
            actor="person:x",
            object="person:y",
            data={"active": True},
            private={"email": "ada@example.org"},
        )
    body = json.loads(made.body)
    assert body["data"].keys() == {"active", "email"}
    assert b"ada@example.org" not in made.body
    secret = Secret.objects.get()
    assert body["data"]["email"] == {"hmac-sha256": bytes(secret.commitment).hex()}
    assert log.commitment(bytes(secret.salt), secret.value) == bytes(secret.commitment)
    assert len(bytes(secret.salt)) == 32


@pytest.mark.parametrize(
    ("salt", "value"), [("a", "b@example.org"), ("b", "a@example.org")], ids=["value", "salt"]
)
def test_a_committed_value_cannot_be_replaced(salt: str, value: str) -> None:
    salts = {name: sha256(name.encode()).digest() for name in "ab"}
    real = log.commitment(salts["a"], "a@example.org")
    with connect("hitl_web", autocommit=True) as it, pytest.raises(psycopg.errors.CheckViolation):
        it.execute(
            "INSERT INTO audit.secret (commitment, salt, value) VALUES (%s, %s, %s)",
            [real, salts[salt], value],
        )


@every("value", [1.0, 2**53, "\0", "\ud800", object(), {"ü": 1}, "x" * 70_000], undo=True)
def test_a_bad_value_is_refused_before_the_transaction_is_poisoned(value: object) -> None:
    before = Entry.objects.count()
    with transaction.atomic():
        with pytest.raises(NotCanonical):
            log.append(
                action="person:audit:read",
                actor="person:a",
                object="b",
                data={"x": value},  # type: ignore[dict-item]
            )
        with pytest.raises(log.UnknownWord):
            log.append(action="person:audit:red", actor="person:a", object="b", data={})
        log.append(action="person:audit:read", actor="person:a", object="b", data={})
    assert Entry.objects.count() == before + 1


HOSTILE = [
    "{}",
    '{"at":"x","action":null}',
    '{"at":"infinity","action":7,"actor":[],"object":{}}',
    '{"at":"2026-13-45T99:99:99"}',
    '{"at":"2026-11-24T04:00:00+00:00","object":"' + "x" * 60_000 + '"}',
    '{"a":1e999,"b":-1e-999}',
    '{"words":"' + " ".join(f"w{number:05}" for number in range(9_000)) + '"}',
    '{"words":"' + "\\u0001\\u202e\\ud83d\\ude00 <script>" + '"}',
    '{"deep":' + "[" * 3_000 + "]" * 3_000 + "}",
    "  {}",
]


def test_no_entry_stops_the_list(as_login: AsLogin) -> None:
    """Before the guard of entries, web could insert any JSON object; no reader fails on one."""
    with factories.anybody_writes(), connection.cursor() as cursor:
        for body in HOSTILE:
            cursor.execute("INSERT INTO audit.entry (body) VALUES (%s)", [body.encode()])
    with as_login("hitl_sequencer"), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit.leaf (idx, entry_id, hash)"
            " SELECT row_number() OVER (ORDER BY id) - 1, id, sha256(body) FROM audit.entry"
        )
        cursor.execute("SELECT audit.search_v1(0, 1000)")
        assert cursor.fetchone() == (len(HOSTILE),)
        cursor.execute("SELECT audit.search_v1(%s, 1000)", [len(HOSTILE)])
        assert cursor.fetchone() == (0,)
    with as_login("hitl_auditor"), connection.cursor() as cursor:
        cursor.execute("SELECT count(data) FROM audit.trail")
        assert cursor.fetchone() == (len(HOSTILE),)
        cursor.execute(
            "SELECT at, length(object) FROM audit.search WHERE idx IN (2, 3, 4) ORDER BY idx"
        )
        assert [(at is None, length) for at, length in cursor.fetchall()] == [
            (True, 2), (True, 0), (False, 200),
        ]  # fmt: skip
