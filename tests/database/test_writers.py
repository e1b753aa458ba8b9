"""A69: who wrote an entry stands in it, and nobody writes in another's name.

The guard on `audit.entry` stamps the login and refuses what this login may not write. Real logins.
"""

from __future__ import annotations

import json

import psycopg
import pytest
from django.db import connection

from audit import log
from audit.models import Entry
from remediation.domain.events import Event
from remediation.domain.writers import OWNER, WRITERS
from tests import factories
from tests.conftest import AsLogin
from tests.database.attack import DENIED, WRITER_OFF, refused, sql
from tests.database.logins import ALIASES, connect
from tests.emitted import writer_of
from tests.every import every
from tests.factories import entry_body

pytestmark = pytest.mark.django_db(databases=ALIASES)

INSERT = "INSERT INTO audit.entry (body) VALUES (%s) RETURNING id"
# (login, action, actor) that it may not write.
FORGERIES = [
    ("hitl_web", "worker:halt:verified", "worker:host"),
    ("hitl_web", "worker:proposal:succeeded", "worker:host"),
    ("hitl_web", "operator:freeze:lifted", "operator:root@host"),
    ("hitl_web", "operator:approver:added", "operator:root@host"),
    ("hitl_web", "operator:log:reopened", "operator:root@host"),
    ("hitl_web", "operator:evidence:erased", "operator:root@host"),
    ("hitl_web", "system:log:verified", "system:verification"),
    ("hitl_web", "database:account:changed", "database:hitl_worker"),
    # The words of one kind for the actor of another: readers go by either.
    ("hitl_web", "worker:halt:verified", "person:x"),
    ("hitl_web", "person:review:signed", "worker:host"),
    ("hitl_web", "worker:*", "worker:host"),
    ("hitl_worker", "person:review:signed", "person:x"),
    ("hitl_worker", "agent:report:submitted", "agent:x"),
    ("hitl_worker", "system:refusals:counted", "system:portal"),
    ("hitl_web", "operator:user:created", "operator:x"),
    ("hitl_web", "operator:user:changed", "operator:x"),
    ("hitl_web", "operator:group:changed", "operator:x"),
    ("hitl_web", "operator:right:changed", "operator:x"),
    ("hitl_web", "operator:invitation:made", "operator:x"),
    ("hitl_web", "operator:passkeys:removed", "operator:x"),
    ("hitl_worker", "operator:user:changed", "operator:x"),
    ("hitl_operator", "operator:freeze:lifted", "operator:x"),
    ("hitl_operator", "person:user:changed", "person:x"),
    ("hitl_eraser", "worker:step:recorded", "worker:host"),
    ("hitl_eraser", "person:review:signed", "person:x"),
]


@every(("login", "action", "actor"), FORGERIES, undo=True)
def test_a69_no_login_writes_in_the_name_of_another(login: str, action: str, actor: str) -> None:
    with connect(login) as it, refused("entry_author"):
        it.execute(INSERT, [entry_body(action, actor, "proposal:x")])


@every(("login", "action", "actor"), FORGERIES, undo=True)
def test_the_control_without_the_guard_takes_every_forgery(
    as_login: AsLogin, login: str, action: str, actor: str
) -> None:
    sql(WRITER_OFF)
    with as_login(login):
        sql(INSERT, entry_body(action, actor, "proposal:x"))  # type: ignore[arg-type]
    assert Entry.objects.get().data["actor"] == actor


def test_a69_the_owner_writes_only_what_triggers_append() -> None:
    for action, actor in (
        ("worker:halt:verified", "worker:x"),
        ("person:user:created", "person:x"),
    ):
        with connect("hitl_owner") as it, refused("entry_author"):
            it.execute(INSERT, [entry_body(action, actor)])


def test_a69_a_superuser_who_is_no_process_writes_nothing() -> None:
    """With the guard on. Nothing keeps a superuser from switching it off; a verifier sees that."""
    from tests.database.logins import superuser

    with superuser() as it, refused("entry_author"):
        it.execute(INSERT, [entry_body("worker:halt:verified", "worker:x")])


def test_the_sequencer_writes_no_entry() -> None:
    with connect("hitl_sequencer") as it, refused(DENIED):
        it.execute(INSERT, [entry_body("operator:log_key:rotated", "operator:x")])


@every("event", list(Event), undo=True)
def test_each_event_can_be_written_by_a_login(as_login: AsLogin, event: Event) -> None:
    """The bytes that `append` returns are the stored ones, with the writer last."""
    kind = event.partition(":")[0]
    if kind == "database":
        assert not writer_of(event) and "database:*" in WRITERS[OWNER]
        return
    login = writer_of(event)
    with as_login(login):
        made = log.append(action=event, actor=f"{kind}:x", object="thing:1", data={"n": 1})
    stored = bytes(Entry.objects.get(pk=made.id).body)
    assert stored == made.body
    assert stored.endswith(f',"v":1,"writer":"{login}"}}'.encode())


def test_every_operator_event_has_its_login() -> None:
    """A command runs with the login of its `process`; a new event must be put on the list."""
    listed = {action for actions in WRITERS.values() for action in actions}
    assert {e for e in Event if e.startswith(("operator:", "system:"))} <= listed
    assert not any(action in ("operator:*", "system:*") for action in listed)


def around(extra: str = "", **changes: str) -> bytes:
    """Return a body with raw members, to be hostile with."""
    members = {
        "action": '"person:view:saved"', "actor": '"person:x"', "at": '""', "data": "{}",
        "object": '""', "v": "1", **changes,
    }  # fmt: skip
    return (
        "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + extra + "}"
    ).encode()


HOSTILE = {
    "a writer of its own": (around(',"writer":"hitl_worker"'), "entry_writer"),
    "a writer, escaped": (around(',"\\u0077riter":"hitl_worker"'), "entry_writer"),
    "two writers": (around(',"writer":"hitl_web","writer":"hitl_worker"'), "entry_writer"),
    "a writer before": (around().replace(b'"v"', b'"writer":"hitl_worker","v"'), "entry_writer"),
    "an actor twice": (around().replace(b'"at"', b'"actor":"person:y","at"'), "entry_form"),
    "an actor, escaped": (
        around().replace(b'"actor"', b'"\\u0061ctor":"worker:x","actor"'), "entry_form"
    ),
    "another order": (b'{"v":1,"action":"person:view:saved"}', "entry_form"),
    "a member more": (around(',"w":1'), "entry_form"),
    "a member less": (around().replace(b'"object":"",', b""), "entry_form"),
    "another version": (around(v="2"), "entry_form"),
    "white space": (around().replace(b":1}", b": 1}"), "entry_form"),
    "white space before": (b" " + around(), "entry_form"),
    "white space after": (around() + b" ", "entry_form"),
    "a newline": (around() + b"\n", "entry_form"),
    "a nested member twice": (around(data='{"from":"a","from":"b"}'), "entry_form"),
    "a needless escape": (around(data='{"x":"\\u0041"}'), "entry_form"),
    "an escaped slash": (around(data='{"x":"\\/"}'), "entry_form"),
    "an exponent": (around(data='{"x":1e131071}'), "entry_form"),
    "a fraction": (around(data='{"x":1.5}'), "entry_form"),
    "minus nought": (around(data='{"x":-0}'), "entry_form"),
    "an array": (b"[]", "entry_form"),
    "a text": (b'"x"', "entry_form"),
    "null": (b"null", "entry_form"),
    "nothing": (b"", "entry_form"),
    "an actor that is no text": (around(actor='["person:x"]'), "entry_author"),
    "an actor that is nothing": (around(actor="null"), "entry_author"),
    "no kind": (around(actor='"person"', action='"person"'), "entry_author"),
    "a kind with a space": (around(actor='" person:x"'), "entry_author"),
}  # fmt: skip


@every("name", list(HOSTILE), undo=True)
def test_a69_a_body_that_two_readers_could_read_in_two_ways_is_refused(name: str) -> None:
    body, rule = HOSTILE[name]
    with connect("hitl_web") as it, refused(rule):
        it.execute(INSERT, [body])


@every(
    "body",
    [b"{", b'{"a":\xff}', b'{"action":"x}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}'],
    undo=True,
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with connect("hitl_web") as it, pytest.raises(psycopg.Error):
        it.execute(INSERT, [body])


def test_the_longest_entry_includes_its_writer() -> None:
    stamp = len(',"writer":"hitl_web"')
    room = 65_535 - stamp - len(around(data='{"x":""}'))
    with connect("hitl_web") as it:
        it.execute(INSERT, [around(data='{"x":"' + "a" * room + '"}')])
        it.rollback()
        with refused("entry_body_check"):
            it.execute(INSERT, [around(data='{"x":"' + "a" * (room + 1) + '"}')])
        it.rollback()
        with refused("entry_body_check"):
            it.execute(INSERT, [around(data='{"x":"' + "a" * (room + stamp) + '"}')])


@every(
    "data",
    [
        {}, {"x": "\x01\x1f\x7f\u2028☂😀\"\\/\b\f\n\r\t,:{}[] "}, 
        {"n": [0, -1, 2**53 - 1, -(2**53 - 1)]},
        {"a": {"b": [{}, [], None, True, False]}}, {"x": "e1.5E"}, {"e": "1e5 , : 7.0"},
        {"x": "[{" * 10_000}, {f"k{n}": [n] for n in range(2_000)},
    ],
    undo=True,
)  # fmt: skip
def test_what_is_canonical_is_taken_as_it_is(as_login: AsLogin, data: dict[str, object]) -> None:
    """Every value that `append` can send; the guard compares lengths, so nothing may differ."""
    body = entry_body("person:view:saved", "person:é", "thing:☂", **data)
    with as_login("hitl_web"), connection.cursor() as cursor:
        cursor.execute(INSERT, [body])
        (key,) = cursor.fetchone()
    stored = bytes(Entry.objects.get(pk=key).body)
    assert stored == log.stamped(body, "hitl_web")
    assert log.encode(json.loads(stored)) == stored


def test_only_the_owner_says_who_may_write() -> None:
    for login in ("hitl_web", "hitl_worker", "hitl_eraser", "hitl_operator"):
        with connect(login) as it, refused(DENIED):
            it.execute("INSERT INTO audit.author VALUES ('hitl_web', 'worker:*')")


def test_a69_a_temporary_table_of_authors_shadows_nothing(as_login: AsLogin) -> None:
    """Somebody with TEMPORARY, which no login has."""
    sql("CREATE TEMPORARY TABLE author (login text, action text)")
    sql("INSERT INTO pg_temp.author VALUES ('hitl_web', 'worker:*')")
    sql("GRANT SELECT ON pg_temp.author TO PUBLIC")
    with refused("entry_author"), factories.acting("hitl_web"):
        sql(INSERT, entry_body("worker:halt:verified", "worker:x"))  # type: ignore[arg-type]


def test_the_writer_is_stamped_even_with_replication_role_replica() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'audit.entry'::regclass"
            " AND tgname = 'writer'"
        )
        assert cursor.fetchone() == ("A",)
