"""Tables of declared edges and kinds, which guards read: only the owner writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, connections, transaction
from pytest_django import Settings

from hitlportal import deploy_checks
from remediation import declarations
from remediation.domain.catalogue import ACTIONS, TARGETS, TargetSpec
from remediation.domain.states import Login
from tests import factories
from tests.conftest import AsLogin
from tests.database.attack import APPEND_ONLY, DENIED, refused, sql
from tests.database.logins import LOGINS, connect, database
from tests.hitlportal.test_deploy_checks import opened
from tests.settings import login_url

pytestmark = pytest.mark.django_db

TABLES = ("remediation.edge", "remediation.target_kind")
EDGE = "INSERT INTO remediation.edge VALUES ('proposal', 'in_review', 'executing', 'hitl_web')"
KIND = "INSERT INTO remediation.target_kind VALUES ('acme.key', 'acme.key:{id}')"
LESS = tuple(f"DELETE FROM {table}" for table in TABLES)
OTHER = (
    "UPDATE remediation.edge SET login = 'hitl_web'",
    "UPDATE remediation.target_kind SET locator = 'test.target:x{name}'",
    *(f"TRUNCATE {table}" for table in TABLES),
)


def recorded() -> declarations.Declarations:
    return declarations.recorded(connections["default"])


def locator(**target: Any) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.locator_v1(%s::jsonb)", [json.dumps(target)])
        found: str | None = cursor.fetchone()[0]
        return found


@contextmanager
def a_kind_of_a_third_party(monkeypatch: pytest.MonkeyPatch, *fields: str) -> Iterator[TargetSpec]:
    """Declared with these fields, in the order of the locator."""
    names = fields or ("tenant", "id")
    spec = TargetSpec(
        kind="acme.key",
        title="Acme key",
        fields=dict.fromkeys(names, "[a-z]+"),
        distinguishing="id",
        example=dict.fromkeys(names, "x"),
    )
    action = replace(ACTIONS["test.noop"], kind="acme.key.disable", target_kind=spec.kind)
    with monkeypatch.context() as patch:
        patch.setattr(declarations, "TARGETS", MappingProxyType({**TARGETS, spec.kind: spec}))
        patch.setattr(declarations, "ACTIONS", MappingProxyType({**ACTIONS, action.kind: action}))
        yield spec


# ---- who writes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("statement", [EDGE, KIND, *LESS, *OTHER])
def test_a43_no_login_writes_declarations(login: str, statement: str) -> None:
    options = "-c default_transaction_read_only=off"
    with connect(login, autocommit=True, options=options) as it, refused(DENIED):
        it.execute(statement)


@pytest.mark.parametrize("login", list(Login))
@pytest.mark.parametrize("statement", [EDGE, KIND, *LESS, *OTHER])
def test_a43_no_login_writes_declarations_even_with_the_privilege(
    login: str, statement: str, as_login: AsLogin
) -> None:
    for table in TABLES:
        sql(f"GRANT ALL ON {table} TO {login}")
    with as_login(login), refused(APPEND_ONLY), transaction.atomic():
        sql(statement)


@pytest.mark.parametrize("statement", [EDGE, KIND, *LESS])
def test_the_control_without_the_trigger_writes_declarations(
    statement: str, as_login: AsLogin
) -> None:
    for table in TABLES:
        sql(f"GRANT ALL ON {table} TO hitl_web")
        sql(f"ALTER TABLE {table} DISABLE TRIGGER owner_only")
    with as_login("hitl_web"):
        sql(statement)


@pytest.mark.parametrize("statement", OTHER)
def test_the_owner_changes_no_row(statement: str) -> None:
    with refused(APPEND_ONLY), transaction.atomic():
        sql(statement)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("('acme.key', 'test.target:{id}')", "target_kind_locator"),  # another kind's target
        ("('acme.key', 'acme.key:one')", "target_kind_locator"),  # one for all
        ("('acme.key', 'acme.key:{id}{')", "target_kind_locator"),
        ("('acme.key', 'acme.key:{i d}')", "target_kind_locator"),
        ("('acme:key', 'acme:key:{id}')", "target_kind_name"),
    ],
)
def test_a_locator_must_begin_with_its_kind(row: str, rule: str) -> None:
    with refused(rule), transaction.atomic():
        sql(f"INSERT INTO remediation.target_kind VALUES {row}")


# ---- reading by guards ---------------------------------------------------------------------------


def test_an_unknown_kind_has_no_locator() -> None:
    assert locator(kind="test.target", name="a") == "test.target:a"
    assert locator(kind="acme.key", id="a") is None
    assert locator(name="a") is None
    sql("DELETE FROM remediation.target_kind")
    assert locator(kind="test.target", name="a") is None


def test_a_target_without_a_field_has_no_locator() -> None:
    assert locator(kind="postgres.role", cluster="c") is None
    assert locator(kind="postgres.role", cluster="c", role=None) is None


def test_a_value_is_never_read_as_a_template() -> None:
    assert locator(kind="postgres.role", cluster="{role}", role="{x}") == "postgres.role:{role}/{x}"


def test_an_edge_that_is_gone_is_refused() -> None:
    sql("DELETE FROM remediation.edge WHERE subject = 'proposal'")
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.edge_v1('submitted', 'withdrawn', 'hitl_web')")
        assert cursor.fetchone()[0] is False
        cursor.execute("SELECT remediation.incident_edge_v1('open', 'closed', 'hitl_web')")
        assert cursor.fetchone()[0] is True


# ---- filled by migrate --------------------------------------------------------------------------


def test_migrate_fills_and_repairs_declarations() -> None:
    assert recorded() == declarations.declared()
    for statement in (*LESS, EDGE, KIND):
        sql(statement)
    assert recorded() != declarations.declared()
    call_command("migrate", verbosity=0, interactive=False)
    assert recorded() == declarations.declared()


def test_a_kind_of_a_third_party_needs_no_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_kind_of_a_third_party(monkeypatch) as spec:
        declarations.fill("default")
        assert locator(kind=spec.kind, tenant="t", id="i") == "acme.key:t/i"
    declarations.fill("default")  # without the package its kind is unknown again
    assert locator(kind="acme.key", tenant="t", id="i") is None


@pytest.mark.parametrize("fields", [("id",), ("id", "tenant"), ("tenant", "region", "id")])
def test_a_kind_is_never_pointed_elsewhere(
    fields: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_kind_of_a_third_party(monkeypatch):
        declarations.fill("default")
    with (
        a_kind_of_a_third_party(monkeypatch, *fields),
        pytest.raises(ImproperlyConfigured, match=r"acme\.key .* a kind of its own"),
    ):
        declarations.fill("default")
    assert locator(kind="acme.key", tenant="t", id="i") == "acme.key:t/i"


def without_test_actions(patch: pytest.MonkeyPatch) -> None:
    left = {kind: spec for kind, spec in ACTIONS.items() if not kind.startswith("test.")}
    patch.setattr(declarations, "ACTIONS", MappingProxyType(left))


def test_a_kind_is_not_pointed_elsewhere_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten by a `migrate` without its package, it could come back with another locator, and
    the leases of the run that goes on would not exclude a second one."""
    running = factories.proposal("t1")
    with monkeypatch.context() as patch:
        without_test_actions(patch)
        with pytest.raises(ImproperlyConfigured, match=rf"kind test\.target .* {running.pk} on"):
            declarations.fill("default")
        assert locator(kind="test.target", name="a") == "test.target:a"
        factories.move(running, "withdrawn", login="hitl_web", actor=f"agent:{running.agent_id}")
        declarations.fill("default")
        assert locator(kind="test.target", name="a") is None


# ---- `check --deploy` ---------------------------------------------------------------------------


def messages() -> list[str]:
    found = list(deploy_checks.compare_declarations(declarations.declared(), recorded()))
    assert {message.id for message in found} <= {"hitlportal.E013"}
    return [message.msg for message in found]


def test_each_process_that_depends_on_declarations_checks_them(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """With the process's login; the sequencer moves no state and may not read them."""
    found = {}
    with a_kind_of_a_third_party(monkeypatch):
        for process in ("web", "worker", "sequencer"):
            settings.PROCESS = process
            with opened(login_url(f"hitl_{process}", database())) as it:
                found[process] = [
                    message.id for message in deploy_checks.check_connection(it, "default")
                ]
    assert found == {"web": ["hitlportal.E013"], "worker": ["hitlportal.E013"], "sequencer": []}


def test_the_check_sees_every_difference() -> None:
    assert messages() == []
    sql("DELETE FROM remediation.edge WHERE subject = 'incident' AND from_state = 'contained'")
    sql("DELETE FROM remediation.target_kind WHERE kind = 'test.target'")
    for statement in (EDGE, KIND):
        sql(statement)
    assert messages() == [
        "edge incident, contained, closed, hitl_web is missing",
        "edge incident, contained, open, hitl_worker is missing",
        "edge proposal, in_review, executing, hitl_web is not declared",
        "kind of target test.target, test.target:{name} is missing",
        "kind of target acme.key, acme.key:{id} is not declared",
    ]
