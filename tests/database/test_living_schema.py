"""The living SQL and the chain of migrations make the same database.

`<app>/sql/<subject>.sql` says what stands in a database now: every object once, in its newest
form. A change edits the living file **and** adds a migration, named after the objects that it
redefines, with a frozen copy of what it changes in `<app>/migrations/sql/<migration>/` and a
`down.sql` beside it. The tests here fail when one of the two is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import DjangoDbBlocker

from audit import schema as audit_schema
from audit import sqlfile
from remediation import declarations, schema
from tests.database.empty import empty_database, everything

# Without it pytest-django makes no database when only tests of this file are chosen.
pytestmark = pytest.mark.django_db

PARTS = (audit_schema, schema)
LIVING = [(part.SQL, name) for part in PARTS for name in part.FILES]
SQL = "\n".join(sqlfile.read(folder, [name]) for folder, name in LIVING)
Facts = dict[tuple[str, str], object]


@dataclass(frozen=True)
class Built:
    """Return the objects of a database after each step, and at the end with all grants."""

    steps: list[tuple[str, Facts]]
    whole: Facts


@pytest.fixture(scope="module")
def living(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Built]:
    """The models' tables, then each living file."""
    with django_db_blocker.unblock(), empty_database("living") as database:
        with connection.schema_editor() as editor:
            for model in apps.get_models():
                if model._meta.managed:
                    editor.create_model(model)
        MigrationRecorder(connection).ensure_schema()
        steps = [("models", everything(database))]
        for folder, name in LIVING:
            with connection.cursor() as cursor:
                cursor.execute(sqlfile.read(folder, [name]))
            steps.append((f"{folder.parent.name}/{name}", everything(database)))
        declarations.fill("default")
        call_command("install_grants", stdout=StringIO())
        yield Built(steps, everything(database))


@pytest.fixture(scope="module")
def migrated(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Facts]:
    with django_db_blocker.unblock(), empty_database("migrated") as database:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("install_grants", stdout=StringIO())
        yield everything(database)


def test_both_make_the_same_database(living: Built, migrated: Facts) -> None:
    for kind in sorted({kind for kind, _ in living.whole}):
        ours = {name: said for (of, name), said in living.whole.items() if of == kind}
        theirs = {name: said for (of, name), said in migrated.items() if of == kind}
        assert ours == theirs, kind
    assert len(living.whole) > 1000


def test_every_object_is_made_in_one_place(living: Built) -> None:
    """By a model or by one living file; no file changes or drops what another one made."""
    made: dict[tuple[str, str], str] = {}
    before: Facts = {}
    for step, facts in living.steps:
        assert not before.keys() - facts.keys(), f"{step} drops something"
        changed = {key for key in before if before[key] != facts[key]}
        assert not changed, f"{step} changes what {[made[key] for key in changed]} made"
        new = facts.keys() - before.keys()
        assert new, f"{step} makes nothing"
        made |= dict.fromkeys(new, step)
        before = facts
    assert made.keys() == living.whole.keys() - _of_grants(living)


def _of_grants(living: Built) -> set[tuple[str, str]]:
    """Grants on columns are objects of their own in the catalogue; grants.sql makes them."""
    last = living.steps[-1][1]
    return {key for key in living.whole.keys() - last.keys() if key[0] == "columns"}


def test_nothing_is_defined_twice() -> None:
    named = re.compile(
        r"^\s*CREATE (?:UNIQUE )?(SCHEMA|FUNCTION|VIEW|TABLE|INDEX) ([\w.]+)"
        r"|^CREATE TRIGGER (\w+) .*?\bON ([\w.]+)"
        r"|ADD (CONSTRAINT) (\w+)",
        re.MULTILINE,
    )
    found = ["".join(match) for match in named.findall(SQL)]
    assert len(found) > 150
    assert sorted(found) == sorted(set(found))
    assert not re.search(r"\bOR REPLACE\b|^\s*DROP\b|IF NOT EXISTS \w", SQL, re.MULTILINE)


def test_no_function_is_dead() -> None:
    """Each is called by another one, by a trigger, or by a process that may."""
    grants = (Path(__file__).resolve().parents[2] / "hitlportal/sql/grants.sql").read_text("utf-8")
    for name in re.findall(r"^CREATE FUNCTION ([\w.]+)\(", SQL, re.MULTILINE):
        uses = len(re.findall(rf"{re.escape(name)}\b", SQL)) - 1
        assert uses or name in grants, name


@pytest.mark.parametrize("part", PARTS, ids=["audit", "remediation"])
def test_every_living_file_is_in_the_order(part: object) -> None:
    folder, files = part.SQL, part.FILES  # type: ignore[attr-defined]
    assert sorted(files) == sorted(path.stem for path in folder.glob("*.sql"))


def test_a_migration_runs_frozen_copies_of_its_own() -> None:
    """Never a living file, which says something else tomorrow; and each goes back."""
    for (label, name), migration in MigrationLoader(None).disk_migrations.items():
        for operation in migration.operations:
            if isinstance(operation, sqlfile.RunSQLFiles):
                folder = Path(apps.get_app_config(label).path) / "migrations" / "sql" / name
                assert operation.folder == folder
                held = {path.stem for path in folder.iterdir()}
                assert held == {*operation.names, "down"}
