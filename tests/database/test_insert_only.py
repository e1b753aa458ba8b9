"""Facts are insert-only for everybody: each table, each way to change rows, each login.

The tables come from the database's catalogue, so a new one cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.apps import apps
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from tests.database.attack import APPEND_ONLY, DENIED, refused, said, sql
from tests.database.logins import LOGINS, connect, superuser
from tests.every import every

pytestmark = pytest.mark.django_db

# Tables that may change: sign-in, Django's own, and the lease (which has its own guard).
CHANGING = {
    "remediation_user", "remediation_user_groups", "remediation_user_user_permissions",
    "remediation_lease",
    # What can be erased; tests/database/test_log.py.
    "audit.secret",
    # Likewise; tests/services/reporting/test_erase_secrets.py.
    "remediation_evidenceblob",
    # What the code declares, written by the owner alone; tests/database/test_declarations.py.
    "remediation.edge", "remediation.target_kind", "audit.author",
}  # fmt: skip
FACTS = sorted(
    # Keys of two columns, or written by a trigger alone: no models.
    {"audit.node", "audit.cosignature", "remediation.administered"}
    | {"remediation.step_up"}
    | {
        model._meta.db_table.replace('"', "")
        for label in ("remediation", "audit")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
    - CHANGING
)

# Rows that only triggers change.
MOVED_BY_TRIGGERS = {
    "remediation_proposal", "remediation_queueentry", "remediation_queueservice",
    "remediation_incidententry",
}  # fmt: skip

WAYS = {
    "update": "UPDATE {t} SET {c} = {c}",
    "update_no_row": "UPDATE {t} SET {c} = {c} WHERE false",
    "delete": "DELETE FROM {t}",
    "delete_no_row": "DELETE FROM {t} WHERE false",
    # Without CASCADE the foreign keys of other tables already say no.
    "truncate": "TRUNCATE {t} CASCADE",
    "on_conflict": "INSERT INTO {t} ({cs}) SELECT {cs} FROM {t} WHERE false"
    " ON CONFLICT ({pk}) DO UPDATE SET {c} = excluded.{c}",
    "merge_update": "MERGE INTO {t} USING (SELECT 1) AS s ON false"
    " WHEN MATCHED THEN UPDATE SET {c} = {t}.{c}",
    "merge_delete": "MERGE INTO {t} USING (SELECT 1) AS s ON false WHEN MATCHED THEN DELETE",
}


def statement(way: str, table: str) -> str:
    """Return the statement for this table, with its columns and key."""
    if way.startswith("merge") and connection.cursor().connection.info.server_version < 150_000:
        pytest.skip("MERGE came with PostgreSQL 15")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, attidentity <> '', attnum = ANY(i.indkey) FROM pg_attribute a"
            " JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary"
            " WHERE a.attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [table],
        )
        rows = cursor.fetchall()
    plain = [name for name, is_identity, _ in rows if not is_identity]
    keys = [name for name, _, is_key in rows if is_key]
    # A table whose only plain column is the key is changed in its key.
    other = next((name for name, _, is_key in rows if not is_key), keys[0])
    return WAYS[way].format(t=table, c=other, cs=", ".join(plain), pk=", ".join(keys))


def test_every_table_is_either_a_fact_or_may_change() -> None:
    """Covers every table, also those without a model."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN table_schema = 'public' THEN table_name"
            "            ELSE table_schema || '.' || table_name END"
            "  FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            "   AND (table_name LIKE 'remediation\\_%' OR table_schema IN ('audit', 'remediation'))"
        )
        found = {row[0] for row in cursor.fetchall()}
    assert found == set(FACTS) | CHANGING


@every("way", WAYS)
@every("table", FACTS, undo=True)
def test_not_even_the_owner_changes_a_fact(table: str, way: str) -> None:
    with refused(APPEND_ONLY), transaction.atomic():
        sql(statement(way, table))


@every("login", LOGINS)
@every("way", WAYS, undo=True)
def test_a43_no_login_changes_a_fact(login: str, way: str) -> None:
    # The auditor's session is read only by default; it can change the default.
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:
        for table in FACTS:
            with refused(DENIED):
                it.execute(statement(way, table))


@pytest.fixture(scope="module")
def root(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[psycopg.Connection]:
    with django_db_blocker.unblock():
        made = superuser()
    with made:
        made.execute("SET session_replication_role = replica")
        made.commit()
        yield made


@every("table", FACTS, undo=True)
def test_not_even_a_superuser_who_plays_a_replica(table: str, root: psycopg.Connection) -> None:
    """`ENABLE ALWAYS`: ordinary triggers do not fire under session_replication_role = replica."""
    for way in WAYS:
        with pytest.raises(psycopg.Error) as caught:
            root.execute(statement(way, table))
        root.rollback()
        assert APPEND_ONLY in said(caught.value)


@pytest.mark.parametrize("way", ["delete", "delete_no_row", "truncate", "merge_delete"])
def test_a_lease_is_never_deleted(way: str) -> None:
    """Its token only grows; a deleted lease would begin again at 1."""
    with refused(APPEND_ONLY), transaction.atomic():
        sql(statement(way, "remediation_lease"))


@every("table", FACTS, undo=True)
def test_the_control_without_the_trigger_succeeds(table: str) -> None:
    names = ["append_only"]
    if table in MOVED_BY_TRIGGERS:
        names += ["append_only_update"]
    if table == "remediation_proposal":
        names += ["guard_update"]
    for name in names:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    for way in ("update", "delete"):
        sql(statement(way, table))
