"""Imports: a dry run writes nothing; applying writes exactly what was shown, or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain.errors import (
    BadInput,
    BadValue,
    NotEntitled,
    Refused,
    StaleDigest,
    UnknownTargetKind,
    WouldLoosen,
)
from remediation.domain.intake.reading import File
from remediation.domain.intake.stated import Options
from remediation.services.actors import PersonActor, ProcessActor, worker
from remediation.services.inventory import import_files, import_rows
from remediation.services.inventory.import_files import Prepared
from tests import factories
from tests.conftest import AsLogin
from tests.domain.intake.files import GRAPHS
from tests.domain.intake.test_readers import CONSUMERS, EDGES, IDENTITIES, SERVICES
from tests.factories import WEB

pytestmark = pytest.mark.django_db

OPERATOR = ProcessActor("operator:root@host")
TABLES = (
    SERVICES + "web,shop,production,high,yes,no,\napi,shop,staging,low,no,no,no\n",
    IDENTITIES + "postgres.role:orders/web,writer,shop,production,\n",
    EDGES + "web,api,,\nweb,,postgres.role:orders/web,yes\n",
)


def files(*texts: str) -> list[File]:
    return [File(f"file{n}.csv", text.encode()) for n, text in enumerate(texts, start=1)]


def editor() -> PersonActor:
    made = factories.person(roles=["inventory_editor"])
    return PersonActor(made.id, made.user.pk)


def prepare(actor: Any, given: Sequence[File], format: str = "csv", **options: Any) -> Prepared:
    with factories.acting(WEB):
        return import_files.prepare(
            actor=actor, format=format, files=given, options=Options(**options)
        )


def apply(
    actor: Any,
    given: Sequence[File],
    format: str = "csv",
    digest: str = "",
    loosen: bool = False,
    **options: Any,
) -> Prepared:
    digest = digest or prepare(actor, given, format, **options).digest
    with factories.acting(WEB):
        return import_files.apply(
            actor=actor,
            format=format,
            files=given,
            options=Options(**options),
            digest=digest,
            loosen=loosen,
        )


def rows() -> tuple[int, ...]:
    """Count the rows of the inventory and of the log."""
    models = (
        *(m.Service, m.ServiceVersion, m.Identity, m.IdentityVersion, m.Dependency),
        *(m.DependencyVersion, Entry),
    )
    return tuple(model._default_manager.count() for model in models)


def imported() -> list[dict[str, Any]]:
    return [
        entry.data
        for entry in Entry.objects.order_by("id")
        if entry.data["action"].endswith(":inventory:imported")
    ]


# ---- one after the other -------------------------------------------------------------------------


def test_a44_a_dry_run_writes_nothing() -> None:
    actor, before = editor(), rows()
    found = prepare(actor, files(*TABLES))
    assert [change.name for change in found.changes.changes] == [
        *("web", "api", "postgres.role:orders/web"),
        *("web → api", "web → postgres.role:orders/web"),
    ]
    assert rows()[:6] == before[:6]
    assert imported() == []


def test_applying_writes_rows_with_author_and_entry() -> None:
    actor = editor()
    found = apply(actor, files(*TABLES))
    web = m.ServiceVersion.objects.get(service__name="web")
    assert (web.owner_team, web.environment, web.criticality) == ("shop", "production", "high")
    assert (web.payment_path, web.external_partner, web.retired) == (True, False, False)
    identity = m.IdentityVersion.objects.get(identity__locator="postgres.role:orders/web")
    assert (identity.identity.kind, identity.name) == ("postgres.role", "writer")
    assert {str(edge) for edge in m.Dependency.objects.all()} == {
        "web → api",
        "web → postgres.role:orders/web",
    }
    authors = {
        row.author
        for model in (m.ServiceVersion, m.IdentityVersion, m.DependencyVersion)
        for row in model._default_manager.all()
    }
    assert authors == {actor.ref}
    (entry,) = imported()
    assert (entry["action"], entry["actor"]) == ("person:inventory:imported", actor.ref)
    assert entry["object"] == f"import:{found.digest}"
    assert entry["data"]["changes"] == [change.to_json() for change in found.changes.changes]


def test_importing_the_same_files_again_writes_nothing() -> None:
    actor = editor()
    apply(actor, files(*TABLES))
    before = rows()
    again = apply(actor, files(*TABLES))
    assert again.changes.changes == ()
    assert again.changes.unchanged == 5
    assert rows() == before


def test_a_change_adds_a_version_only_to_the_changed_object() -> None:
    actor = editor()
    apply(actor, files(*TABLES))
    found = apply(actor, files(SERVICES + "web,,,critical,,,\napi,,,,,,\n"))
    assert [change.differing for change in found.changes.changes] == [
        [("criticality", "high", "critical")]
    ]
    versions = m.ServiceVersion.objects.filter(service__name="web").order_by("pk")
    assert [version.criticality for version in versions] == ["high", "critical"]
    assert imported()[-1]["data"]["changes"][0]["before"]["criticality"] == "high"


def test_the_real_graphs_can_be_imported_twice() -> None:
    for format, names in {
        "kubernetes": ["online-boutique/kubernetes-manifests.yaml"],
        "compose": ["otel-demo/compose.yaml", "otel-demo/compose.full.yaml"],
        "backstage": ["backstage-demo/catalog-info.yaml"],
    }.items():
        given = [File(name, (GRAPHS / name).read_bytes()) for name in names]
        # A name in two graphs is one service; the second graph loosens it to its own values.
        assert apply(OPERATOR, given, format, loosen=True, cluster="shop").changes.changes
        before = rows()
        assert not apply(OPERATOR, given, format, cluster="shop").changes.changes
        assert rows() == before
    assert m.Dependency.objects.filter(
        source__name="checkoutservice", service__name="paymentservice"
    ).exists()


def test_many_changes_are_recorded_completely_in_several_entries() -> None:
    actor = editor()
    text = SERVICES + "".join(f"service-{n},team,staging,low,no,no,no\n" for n in range(100))
    found = apply(actor, files(text))
    entries = imported()
    assert len(entries) > 3
    assert [entry["data"]["part"] for entry in entries] == list(range(1, len(entries) + 1))
    assert {entry["data"]["parts"] for entry in entries} == {len(entries)}
    said = [change for entry in entries for change in entry["data"]["changes"]]
    assert said == [change.to_json() for change in found.changes.changes]
    for version in m.ServiceVersion.objects.select_related("service"):
        body = json.loads(Entry.objects.get(pk=version.entry).body)
        assert version.service.name in [one["name"] for one in body["data"]["changes"]]


def test_an_object_without_a_version_gets_one() -> None:
    service = factories.service("web")
    with factories.unguarded("remediation_serviceversion"):
        service.versions.all().delete()
    apply(editor(), files(SERVICES + "web,shop,staging,low,no,no,no\n"))
    assert m.Service.objects.get().versions.get().owner_team == "shop"


# ---- only the shown changes are applied ----------------------------------------------------------


def test_other_file_bytes_than_those_shown_are_refused() -> None:
    actor = editor()
    shown = prepare(actor, files(*TABLES)).digest
    before = rows()
    others = files(TABLES[0].replace("yes", "no"), *TABLES[1:])
    with pytest.raises(StaleDigest):
        apply(actor, others, digest=shown)
    # The same changes from other bytes are refused too.
    with pytest.raises(StaleDigest):
        apply(actor, files(TABLES[0] + "\n", *TABLES[1:]), digest=shown)
    with pytest.raises(StaleDigest):
        apply(actor, files(*TABLES), digest=shown, complete=True)
    assert rows()[:6] == before[:6]


def test_an_import_is_refused_when_the_inventory_changed_meanwhile() -> None:
    actor = editor()
    shown = prepare(actor, files(*TABLES)).digest
    factories.service("web", owner_team="other")
    with pytest.raises(StaleDigest):
        apply(actor, files(*TABLES), digest=shown)
    assert m.Service.objects.count() == 1


def test_a45_loosening_must_be_confirmed() -> None:
    actor = editor()
    apply(actor, files(*TABLES))
    milder = files(SERVICES + "web,,,low,,,\nnew,,,,,,\n")
    with pytest.raises(WouldLoosen, match="1 changes, among them web"):
        apply(actor, milder)
    assert not m.Service.objects.filter(name="new").exists()
    apply(actor, milder, loosen=True)
    assert m.Service.objects.get(name="web").versions.count() == 2


LOOSENED = {
    # Rights are given on teams: whoever holds one on the other team decides from now on.
    "another owner": SERVICES + "web,other,,,,,\n",
    "the environment": SERVICES + "web,,staging,,,,\n",
    "the criticality": SERVICES + "web,,,low,,,\n",
    "the payment path": SERVICES + "web,,,,no,,\n",
    "a retirement": SERVICES + "web,,,,,,yes\n",
    "a dependency ends": EDGES + "web,api,,no\n",
    "a user of the identity goes": EDGES + "web,,postgres.role:orders/web,no\n",
    "the user's name in records": CONSUMERS + "web,postgres.role:orders/web,,other,,\n",
    "a shorter period": CONSUMERS + "web,postgres.role:orders/web,,,60s,\n",
    "the identity's environment": IDENTITIES + "postgres.role:orders/web,,,staging,\n",
}
NOT_LOOSENED = {
    "more critical": SERVICES + "web,,,critical,,,\n",
    "how the user takes a value": CONSUMERS + "web,postgres.role:orders/web,,,,reload\n",
    "a partner": SERVICES + "web,,,,,yes,\n",
    "the identity's owner": IDENTITIES + "postgres.role:orders/web,,other,,\n",
}


@pytest.mark.parametrize("what", [*LOOSENED, *NOT_LOOSENED])
def test_a45_changes_marked_as_loosening_exclude_their_author_from_approving(what: str) -> None:
    """The marks of the diff and the rule of the database agree."""
    someone = editor()
    apply(OPERATOR, files(*TABLES))
    factories.settle_inventory()
    change = files({**LOOSENED, **NOT_LOOSENED}[what])
    marked = prepare(someone, change).changes.loosening()
    apply(someone, change, loosen=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT author FROM remediation.loosened_v2("
            "ARRAY(SELECT id FROM remediation_service), ARRAY(SELECT id FROM remediation_identity))"
            " AS l (author) WHERE author LIKE 'person:%%'"
        )
        authors = [author for (author,) in cursor.fetchall()]
    assert bool(marked) == (what in LOOSENED)
    assert authors == ([someone.ref] if marked else [])


# ---- all or nothing ------------------------------------------------------------------------------


def test_a51_a_failure_in_the_last_part_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    actor = editor()
    before = rows()
    insert = import_rows._insert
    calls = []

    def breaking(made: Any) -> None:
        calls.append(made)
        if len(calls) == 6:
            raise Refused("the disk is full")
        insert(made)

    monkeypatch.setattr(import_rows, "_insert", breaking)
    with pytest.raises(Refused):
        apply(actor, files(*TABLES))
    assert len(calls) == 6
    assert rows() == before


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (SERVICES + "a" * 101 + ",,,,,,\n", BadValue, "line 2: name: 1 to 100 characters"),
        (SERVICES + "a\u200b,,,,,,\n", BadValue, "line 2: name: an invisible character"),
        (SERVICES + " a,,,,,,\n", BadValue, "a space at the start or end"),
        (SERVICES + "a," + "x" * 101 + ",,,,,\n", BadValue, "owner team: 0 to 100 characters"),
        (
            IDENTITIES + "postgres.role:UPPER,,,,\n",
            BadValue,
            "line 2: the locator of a PostgreSQL role has the form",
        ),
        (IDENTITIES + "test.target:t,,,,\n", UnknownTargetKind, "line 2: 'test.target' is not one"),
    ],
)
def test_a63_invalid_values_are_refused_by_their_place(
    text: str, kind: type[BadInput], said: str, settings: Settings
) -> None:
    settings.ALLOW_TEST_ACTIONS = False
    with pytest.raises(kind) as refusal:
        prepare(editor(), files(text))
    assert "file1.csv" in str(refusal.value)
    assert said in str(refusal.value)


# ---- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["security", "user_admin", "auditor", ""])
def test_a12_only_inventory_editors_import_or_preview(role: str) -> None:
    someone = factories.person(roles=[role] if role else [])
    actor = PersonActor(someone.id, someone.user.pk)
    for call in (prepare, lambda a, f: apply(a, f, digest="0" * 64)):
        with pytest.raises(NotEntitled):
            call(actor, files(*TABLES))
    with pytest.raises(NotEntitled):
        prepare(worker(), files(*TABLES))
    assert not m.Service.objects.exists()


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(as_login: AsLogin, settings: Settings) -> Any:
    settings.PROCESS = "web"

    def running(*arguments: str) -> str:
        out = StringIO()
        with as_login(WEB):
            call_command("inventory_import", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue()

    return running


def test_the_command_shows_applies_and_then_finds_no_changes(run: Any, tmp_path: Path) -> None:
    for number, text in enumerate(TABLES):
        (tmp_path / f"{number}.csv").write_text(text)
    (tmp_path / "notes.txt").write_text("not an inventory")
    shown = run("csv", str(tmp_path))
    assert "New services (2)" in shown
    assert "+ web: owner team shop, environment production" in shown
    assert not m.Service.objects.exists()
    digest = shown.splitlines()[-1].removeprefix("digest ")
    with pytest.raises(CommandError, match="stale_digest"):
        run("csv", str(tmp_path), "--apply", "--expect", "0" * 64)
    assert run("csv", str(tmp_path), "--apply", "--expect", digest).endswith(f"applied {digest}\n")
    assert m.ServiceVersion.objects.get(service__name="web").author.startswith("operator:")
    assert imported()[0]["action"] == "operator:inventory:imported"
    assert "Nothing to do: 5 objects" in run("csv", str(tmp_path), "--apply")
    assert len(imported()) == 1


def test_the_command_refuses_unconfirmed_loosening_and_names_it(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLES[0])
    run("csv", str(tmp_path), "--apply")
    (tmp_path / "a.csv").write_text(SERVICES + "web,,,low,,,\n")
    assert "~ web: criticality high -> low (looser)" in run("csv", str(tmp_path))
    with pytest.raises(CommandError, match="would_loosen"):
        run("csv", str(tmp_path), "--apply")
    run("csv", str(tmp_path), "--apply", "--loosen")
    assert m.ServiceVersion.objects.filter(service__name="web").count() == 2


def test_a63_the_command_reads_regular_files_only(run: Any, tmp_path: Path) -> None:
    import os

    real = tmp_path / "real.csv"
    real.write_text(TABLES[0])
    link, pipe = tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to(real)
    os.mkfifo(pipe)
    for path, said in (
        (link, "links are not followed"),
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "none.csv", "No such file"),
    ):
        with pytest.raises(CommandError, match=said):
            run("csv", str(path))
    pipe.unlink()
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "away.csv").symlink_to("/etc/passwd")
    assert "New services (2)" in run("csv", str(tmp_path))


def test_a63_a_bad_file_gives_an_error_and_no_traceback(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("services: {a: {depends_on: {b: [}}}")
    with pytest.raises(CommandError, match=r"a\.yaml, line 1: this is not YAML"):
        run("compose", str(tmp_path))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CommandError, match="1 to 10,000 files"):
        run("backstage", str(empty))
