"""A70: every change of accounts, groups, rights and passkeys leaves an entry, whoever makes it.

Statements of SQL with the real web login; the services' own entries are tested with the services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.utils import timezone

from audit.models import Entry
from audit.tlog.canonical import encode
from remediation import models as m
from remediation.domain.events import Event
from tests import factories
from tests.conftest import AsLogin
from tests.database.attack import sql
from tests.database.attacks_power import GUARDS
from tests.database.logins import ALIASES, real_login
from tests.every import every
from tests.factories import Person

pytestmark = pytest.mark.django_db(databases=ALIASES, transaction=True)

TABLES = {
    "remediation_user", "remediation_user_groups", "remediation_user_user_permissions",
    "auth_group", "auth_group_permissions", "guardian_userobjectpermission",
    "guardian_groupobjectpermission", "account_emailaddress", "mfa_authenticator",
}  # fmt: skip
SECRET = "s3cret-value"


@pytest.fixture(autouse=True)
def _no_guard_of_power() -> Iterator[None]:
    """Its refusal comes first; what is on record must not rest on it (sql/powers.sql)."""
    for table, name in GUARDS:
        sql(f"ALTER TABLE public.{table} DISABLE TRIGGER {name}")
    yield
    for table, name in GUARDS:
        sql(f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {name}")


@pytest.fixture
def alice() -> Person:
    return factories.person("alice", roles=["security"])


def since(start: int) -> list[dict[str, Any]]:
    return [entry.data for entry in Entry.objects.filter(pk__gt=start).order_by("pk")]


def newest() -> int:
    return Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


# (statement with {user}, {group}, {permission}, {type}, {address}, {key}; action; what it names).
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("UPDATE remediation_user SET password = '{secret}', is_superuser = true WHERE id = {user}",
     "account", {"changed": ["is_superuser", "password"]}),
    ("UPDATE remediation_user SET is_active = false, last_login = now() WHERE id = {user}",
     "account", {"changed": ["is_active", "session_epoch"]}),
    ("INSERT INTO account_emailaddress (user_id, email, verified, \"primary\")"
     " VALUES ({user}, '{secret}@example.org', true, false)", "account", {}),
    ("UPDATE account_emailaddress SET email = '{secret}' WHERE id = {address}",
     "account", {"changed": ["email"]}),
    ("DELETE FROM account_emailaddress WHERE id = {address}", "account", {}),
    ("INSERT INTO remediation_user_groups (user_id, group_id) VALUES ({user}, {group})",
     "group", {"group": "lead"}),
    ("DELETE FROM remediation_user_groups WHERE user_id = {user}", "group", {"group": "security"}),
    ("INSERT INTO remediation_user_user_permissions (user_id, permission_id)"
     " VALUES ({user}, {permission})", "right", {"right": "review_service"}),
    ("INSERT INTO guardian_userobjectpermission"
     " (object_pk, content_type_id, permission_id, user_id)"
     " VALUES ('7', {type}, {permission}, {user})",
     "right", {"right": "review_service", "on": "7"}),
    ("UPDATE mfa_authenticator SET data = jsonb_set(data, '{{name}}', '\"{secret}\"')"
     " WHERE id = {key}", "passkey", {"changed": ["data"]}),
    ("DELETE FROM mfa_authenticator WHERE id = {key}", "passkey", {}),
    ("INSERT INTO mfa_authenticator (user_id, type, data, created_at)"
     " VALUES ({user}, 'webauthn', '{{\"x\":\"{secret}\"}}', now())", "passkey", {}),
]  # fmt: skip
OF_GROUPS: list[tuple[str, str, dict[str, Any]]] = [
    ("INSERT INTO auth_group_permissions (group_id, permission_id) VALUES ({group}, {permission})",
     "right", {"right": "review_service"}),
    ("INSERT INTO guardian_groupobjectpermission"
     " (object_pk, content_type_id, permission_id, group_id)"
     " VALUES ('7', {type}, {permission}, {group})",
     "right", {"right": "review_service", "on": "7"}),
]  # fmt: skip


def filled(statement: str, alice: Person) -> str:
    permission = Permission.objects.get(codename="review_service", content_type__model="service")
    with factories.acting("hitl_web"):
        address = alice.user.emailaddress_set.create(email=f"{alice.id}@example.org")
        group, _ = Group.objects.get_or_create(name="lead")
    return statement.format(
        user=alice.user.pk, group=group.pk, permission=permission.pk,
        type=permission.content_type_id, address=address.pk, secret=SECRET,
        key=Authenticator.objects.get(user=alice.user).pk,
    )  # fmt: skip


@every(("statement", "kind", "names"), CHANGES + OF_GROUPS)
def test_a70_a_change_by_sql_leaves_an_entry(
    statement: str, kind: str, names: dict[str, Any]
) -> None:
    alice = factories.person(roles=["security"])
    wanted, start = filled(statement, alice), newest()
    with real_login("hitl_web"), transaction.atomic():
        sql(wanted)
    # A role or a passkey that goes ends sessions (A88), and that is on record, too.
    *ended, said = since(start)
    ends = wanted.startswith(("DELETE FROM remediation_user_groups", "DELETE FROM mfa_auth"))
    assert [each["data"]["changed"] for each in ended] == [["session_epoch"]] * ends
    about = "group:lead" if (statement, kind, names) in OF_GROUPS else alice.actor
    assert (said["action"], said["actor"]) == (f"database:{kind}:changed", "database:hitl_web")
    assert (said["object"], said["writer"]) == (about, "hitl_owner")
    table = next(name for name in sorted(TABLES, key=len, reverse=True) if name in statement)
    verb = statement.partition(" ")[0].lower()
    assert said["data"] == {"operation": verb, "table": table, **names}
    body = bytes(Entry.objects.order_by("-pk")[0].body)
    assert SECRET.encode() not in body
    assert encode(said) == body  # canonical


@every(("statement", "kind", "names"), CHANGES + OF_GROUPS)
def test_the_control_without_the_trigger_leaves_nothing(
    statement: str, kind: str, names: dict[str, Any]
) -> None:
    alice = factories.person(roles=["security"])
    wanted, start = filled(statement, alice), newest()
    with transaction.atomic():
        for table in TABLES:
            sql(f"ALTER TABLE public.{table} DISABLE TRIGGER people_entry")
        with factories.acting("hitl_web"):
            sql(wanted)
        assert since(start) == []
        transaction.set_rollback(True)


def test_a70_a_group_that_is_renamed_and_a_passkey_that_moves_name_both(alice: Person) -> None:
    """A group renamed to an approvers' role, and somebody else's passkey put on an account."""
    eve, start = factories.person("eve", roles=["staff"]), newest()
    with real_login("hitl_web"), transaction.atomic():
        sql("UPDATE auth_group SET name = 'lead \"☂' WHERE name = 'staff'")
        sql(
            "UPDATE mfa_authenticator SET user_id = %s WHERE user_id = %s",
            eve.user.pk, alice.user.pk,
        )  # fmt: skip
    renamed, moved = since(start)
    assert (renamed["object"], renamed["data"]["from"]) == ('group:lead "☂', "group:staff")
    assert (moved["object"], moved["data"]["from"]) == (eve.actor, alice.actor)
    assert moved["data"]["changed"] == ["user_id"]


def test_a70_an_account_made_by_sql_leaves_an_entry() -> None:
    start = newest()
    with real_login("hitl_web"), transaction.atomic():
        user = m.User(username="mallory", email="m@example.org")
        user.save(force_insert=True)
    (said,) = since(start)
    assert (said["action"], said["object"]) == ("database:account:changed", user.actor)
    assert b"mallory" not in bytes(Entry.objects.order_by("-pk")[0].body)


def test_a_sign_in_writes_no_entry_of_its_own(alice: Person) -> None:
    """It changes the time of the last one; the session's start is on record already."""
    start = newest()
    with real_login("hitl_web"):
        m.User.objects.filter(pk=alice.user.pk).update(last_login=timezone.now())
        Authenticator.objects.get(user=alice.user).record_usage()
        m.User.objects.filter(pk=alice.user.pk).update(is_active=True)  # as it was
    assert since(start) == []


def test_a70_a_change_by_the_owner_is_named_too(alice: Person) -> None:
    start = newest()
    with transaction.atomic():
        sql("UPDATE remediation_user SET is_superuser = true WHERE id = %s", alice.user.pk)
        sql("TRUNCATE guardian_userobjectpermission")
    changed, emptied = since(start)
    assert (changed["actor"], changed["object"]) == ("database:hitl_owner", alice.actor)
    assert emptied["data"] == {"operation": "truncate", "table": "guardian_userobjectpermission"}


def test_a_change_that_is_rolled_back_leaves_nothing(alice: Person) -> None:
    start = newest()
    with real_login("hitl_web"), transaction.atomic():
        sql("UPDATE remediation_user SET is_superuser = true WHERE id = %s", alice.user.pk)
        transaction.set_rollback(True)
    assert since(start) == []


def test_every_table_has_both_triggers_always(as_login: AsLogin) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname)"
            "  FROM pg_trigger WHERE tgname LIKE 'people\\_entry%%' AND tgenabled = 'A' GROUP BY 1"
        )
        found = dict(cursor.fetchall())
    assert found == {table: ["people_entry", "people_entry_all"] for table in TABLES}


def test_a70_a_temporary_table_of_people_shadows_nothing(alice: Person) -> None:
    """Somebody with TEMPORARY, which no login has, cannot make the entry name somebody else."""
    start = newest()
    with transaction.atomic():
        for table in ("public.remediation_user", "public.auth_group", "audit.entry"):
            sql(f"CREATE TEMPORARY TABLE {table.partition('.')[2]} (LIKE {table}) ON COMMIT DROP")
            sql(f"GRANT ALL ON pg_temp.{table.partition('.')[2]} TO PUBLIC")
        with factories.acting("hitl_web"):
            sql("DELETE FROM public.mfa_authenticator WHERE user_id = %s", alice.user.pk)
        sql("DROP TABLE pg_temp.remediation_user, pg_temp.auth_group, pg_temp.entry")
    assert [said["object"] for said in since(start)] == [alice.actor] * 2


NAMES = ("django_content_type", "remediation_ownerteam", "remediation_environmentname")


def test_a70_temporary_tables_of_names_shadow_nothing(alice: Person) -> None:
    """Nor can the entry say that a right is on another team than it is."""
    assert on_which_team(alice) == "team:payments"


def test_a70_the_control_with_unqualified_names_names_another_team(alice: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_functiondef('remediation.object_name_v1(jsonb)'::regprocedure)"
        )
        (kept,) = cursor.fetchone()
    sql("SET check_function_bodies = off")
    sql(re.sub(rf"public\.({'|'.join(NAMES)})", r"\1", kept))
    try:
        assert on_which_team(alice) == "team:innocent"
    finally:
        sql(kept)
        sql("RESET check_function_bodies")


def on_which_team(alice: Person) -> str:
    """Let web give alice a right on the team of payments, beside tables that call it otherwise."""
    permission = Permission.objects.get(codename="review_service", content_type__model="ownerteam")
    with transaction.atomic(), factories.acting("hitl_web"):
        number = factories.entry(Event.PERSON_RIGHT_CHANGED, alice.actor, "team:payments")
        team = m.OwnerTeam.objects.create(name="payments", entry=number)
    start = newest()
    with transaction.atomic():
        for name in NAMES:
            sql(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT * FROM public.{name}")
            sql(f"GRANT ALL ON pg_temp.{name} TO PUBLIC")
        sql("UPDATE pg_temp.remediation_ownerteam SET name = 'innocent'")
        with factories.acting("hitl_web"):
            sql(
                "INSERT INTO public.guardian_userobjectpermission"
                " (object_pk, content_type_id, permission_id, user_id) VALUES (%s, %s, %s, %s)",
                str(team.pk), permission.content_type_id, permission.pk, alice.user.pk,
            )  # fmt: skip
    (said,) = since(start)
    return str(said["data"]["on"])
