"""Migrations run back to nothing and forward again, on a separate database."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from hitlportal import database_manifest

# Without it pytest-django makes no database when only tests of this file are chosen.
pytestmark = pytest.mark.django_db


def migrate(*target: str) -> None:
    call_command("migrate", *target, verbosity=0, interactive=False)


def names(facts: database_manifest.Facts) -> dict[str, set[str]]:
    return {kind: set(objects) for kind, objects in facts.items()}


def objects() -> dict[str, set[str]]:
    """Return the names of all objects, read with the connection's own search_path."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        path = cursor.fetchone()[0]
    found = names(database_manifest.read(connections["default"]))
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {path}")
    return found


class Steps:
    """What is in the database before each migration: noted on the way back, compared forward."""

    def __init__(self) -> None:
        self.before: dict[str, dict[str, set[str]]] = {}

    def go(self, *targets: tuple[str, str | None]) -> None:
        """Migrate in one run of the executor: a run for each step renders all models each time."""
        MigrationExecutor(connections["default"], self._progress).migrate(targets)

    def _progress(self, action: str, migration: Migration | None = None, _: bool = False) -> None:
        if action == "unapply_success":
            self.before[str(migration)] = objects()
        elif action == "apply_start":
            assert objects() == self.before.pop(str(migration)), f"forward to {migration}"


def test_each_migration_goes_back_and_forward_again(empty: DatabaseWrapper) -> None:
    """An incomplete down file makes the next up fail, or differ from what was there before."""
    bare = objects()
    migrate()
    whole = objects()
    loader = MigrationLoader(connections["default"])
    steps = Steps()
    steps.go(("remediation", None), ("audit", None))
    own = {key for key in loader.disk_migrations if key[0] in ("remediation", "audit")}
    assert len(own) > 20 and {f"{app}.{name}" for app, name in own} <= set(steps.before)
    left = objects()
    for kind in ("functions", "triggers", "views", "schemas"):
        assert left[kind] == bare[kind], kind
    assert not [n for n in left["relations"] if "remediation_" in n or "audit" in n]
    steps.go(*loader.graph.leaf_nodes("audit"))
    steps.go(*loader.graph.leaf_nodes())
    assert steps.before == {}, "each was compared"
    assert objects() == whole


def test_migrations_and_grants_make_the_manifest(empty: DatabaseWrapper) -> None:
    """From an empty database, by the commands that an operator runs."""
    migrate()
    call_command("install_grants", stdout=StringIO())
    call_command("install_grants", stdout=StringIO())  # repeated, as after every upgrade
    assert database_manifest.read(connections["default"]) == database_manifest.manifest()


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
