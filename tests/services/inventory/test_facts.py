"""The inventory grows by versions: nothing is overwritten, and every change is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from audit.models import Entry
from remediation import models as m
from remediation.domain.errors import (
    AlreadyExists,
    BadValue,
    InventoryBusy,
    NoSuchObject,
    NotEntitled,
    Refused,
    StaleDigest,
    UnknownTargetKind,
)
from remediation.services.actors import AgentActor, PersonActor, ProcessActor, worker
from remediation.services.inventory import facts as inventory
from remediation.services.inventory import identity_kinds
from remediation.services.inventory.consumer_facts import ConsumerFacts
from remediation.services.inventory.facts import IdentityFacts, ServiceFacts
from tests import factories
from tests.database.logins import connect
from tests.factories import WEB

pytestmark = pytest.mark.django_db

SERVICE = ServiceFacts(
    owner_team="payments",
    environment="production",
    criticality="critical",
    payment_path=True,
    external_partner=False,
)
IDENTITY = IdentityFacts(name="batch", environment="staging", owner_team="platform")


def person(*roles: str, active: bool = True) -> PersonActor:
    made = factories.person(roles=roles, active=active)
    return PersonActor(made.id, made.user.pk)


@pytest.fixture
def editor() -> PersonActor:
    return person("inventory_editor")


def add(actor: Any, name: str = "billing") -> m.Service:
    with factories.acting(WEB):
        return inventory.add_service(actor=actor, name=name, facts=SERVICE)


def change(actor: Any, service: m.Service, facts: ServiceFacts, **said: Any) -> m.ServiceVersion:
    with factories.acting(WEB):
        return inventory.change_service(actor=actor, service_id=service.pk, facts=facts, **said)


def newest_entry() -> Any:
    return Entry.objects.order_by("-id")[0].data


# ---- services ------------------------------------------------------------------------------------


def test_a_new_service_has_its_first_version_and_one_entry(editor: PersonActor) -> None:
    before = Entry.objects.count()
    service = add(editor)
    version = service.versions.get()
    assert ServiceFacts.of(version) == SERVICE
    assert version.author == editor.ref
    assert version.entry == service.entry
    assert Entry.objects.count() == before + 1
    entry = newest_entry()
    assert (entry["action"], entry["actor"], entry["object"]) == (
        "person:inventory:changed",
        editor.ref,
        "service:billing",
    )
    assert entry["data"]["before"] is None
    assert entry["data"]["after"]["payment_path"] is True


def test_a_change_adds_a_version_and_keeps_the_previous_one(editor: PersonActor) -> None:
    service = add(editor)
    change(editor, service, replace(SERVICE, criticality="low"))
    assert [v.criticality for v in service.versions.order_by("id")] == ["critical", "low"]
    assert newest_entry()["data"]["before"]["criticality"] == "critical"
    assert newest_entry()["data"]["after"]["criticality"] == "low"


def test_a_change_without_difference_writes_nothing(editor: PersonActor) -> None:
    service = add(editor)
    before = Entry.objects.count()
    assert change(editor, service, SERVICE) == service.versions.get()
    assert Entry.objects.count() == before


def test_an_edit_of_an_old_version_is_refused(editor: PersonActor) -> None:
    service = add(editor)
    seen = service.versions.get().pk
    change(editor, service, replace(SERVICE, criticality="high"), based_on=seen)
    with pytest.raises(StaleDigest):
        change(editor, service, replace(SERVICE, criticality="low"), based_on=seen)
    assert service.versions.count() == 2


def test_a_service_name_is_unique(editor: PersonActor) -> None:
    add(editor)
    with pytest.raises(AlreadyExists):
        add(editor)


@pytest.mark.parametrize("name", ["", " billing", "billing ", "bil\u202eling", "a\nb", "x" * 101])
def test_an_invalid_name_is_refused(editor: PersonActor, name: str) -> None:
    with pytest.raises(BadValue):
        add(editor, name)
    assert not m.Service.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"environment": "prod"}, {"criticality": "none"}, {"owner_team": "\u200b"}]
)
def test_a_value_outside_the_list_is_refused(editor: PersonActor, wrong: dict[str, str]) -> None:
    service = add(editor)
    with pytest.raises(BadValue):
        change(editor, service, replace(SERVICE, **wrong))


def test_an_unknown_service_cannot_be_changed(editor: PersonActor) -> None:
    with pytest.raises(NoSuchObject), factories.acting(WEB):
        inventory.change_service(actor=editor, service_id=1 << 40, facts=SERVICE)


# ---- identities ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "locator"),
    [
        ("postgres.role", "postgres.role:orders/batch_writer"),
        (
            "aws.iam.access_key",
            "aws.iam.access_key:123456789012/deploy-bot/AKIAIOSFODNN7EXAMPLE",
        ),
        ("test.target", "test.target:t1"),
    ],
)
def test_an_identity_is_known_by_its_locator(editor: PersonActor, kind: str, locator: str) -> None:
    with factories.acting(WEB):
        made = inventory.add_identity(actor=editor, kind=kind, locator=locator, facts=IDENTITY)
    assert (made.kind, made.locator) == (kind, locator)
    assert IdentityFacts.of(made.versions.get()) == IDENTITY
    assert newest_entry()["object"] == f"identity:{locator}"


@pytest.mark.parametrize(
    "locator",
    [
        "",
        "postgres.role:orders",
        "postgres.role:orders/batch/writer",
        "postgres.role:Orders/batch",
        "postgres.role:orders/batch ",
        "postgres.role:orders/b\u0430tch",  # a Cyrillic letter
        "aws.iam.access_key:123456789012/u/AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_a_locator_has_one_form(editor: PersonActor, locator: str) -> None:
    with pytest.raises(BadValue), factories.acting(WEB):
        inventory.add_identity(actor=editor, kind="postgres.role", locator=locator, facts=IDENTITY)


def test_test_targets_are_no_kind_outside_tests(editor: PersonActor, settings: Any) -> None:
    settings.ALLOW_TEST_ACTIONS = False
    with pytest.raises(UnknownTargetKind):
        identity_kinds.check_locator("test.target", "test.target:t1")
    with pytest.raises(UnknownTargetKind):
        identity_kinds.check_locator("github.key", "github.key:1")
    assert identity_kinds.kinds() and not any(
        kind.startswith("test.") for kind in identity_kinds.kinds()
    )


def test_an_identity_changes_by_versions(editor: PersonActor) -> None:
    with factories.acting(WEB):
        made = inventory.add_identity(
            actor=editor, kind="test.target", locator="test.target:t", facts=IDENTITY
        )
        seen = made.versions.get().pk
        inventory.change_identity(
            actor=editor,
            identity_id=made.pk,
            facts=replace(IDENTITY, retired=True),
            based_on=seen,
        )
        with pytest.raises(StaleDigest):
            inventory.change_identity(
                actor=editor, identity_id=made.pk, facts=IDENTITY, based_on=seen
            )
        with pytest.raises(AlreadyExists):
            inventory.add_identity(
                actor=editor, kind="test.target", locator="test.target:t", facts=IDENTITY
            )
    assert [v.retired for v in made.versions.order_by("id")] == [False, True]


# ---- dependencies --------------------------------------------------------------------------------


def test_an_edge_is_added_and_removed_by_versions(editor: PersonActor) -> None:
    source, needed = add(editor, "a"), add(editor, "b")
    with factories.acting(WEB):
        for present in (True, True, False, True):
            edge = inventory.set_dependency(
                actor=editor, source_id=source.pk, needs=needed, present=present
            )
    assert m.Dependency.objects.count() == 1
    assert [v.present for v in edge.versions.order_by("id")] == [True, False, True]
    assert newest_entry()["data"]["after"] == {"depends_on": "b", "present": True}


def test_an_edge_can_lead_to_an_identity(editor: PersonActor) -> None:
    source, identity = add(editor, "a"), factories.identity()
    with factories.acting(WEB):
        edge = inventory.set_dependency(
            actor=editor, source_id=source.pk, needs=identity, present=True
        )
    assert (edge.service, edge.identity) == (None, identity)


def test_how_a_service_uses_an_identity_is_recorded_and_kept(editor: PersonActor) -> None:
    source, identity = add(editor, "a"), factories.identity()
    use = ConsumerFacts("a-pool", 3600, "reload")
    with factories.acting(WEB):
        for present, said in ((True, use), (True, None), (True, use), (False, None)):
            edge = inventory.set_dependency(
                actor=editor, source_id=source.pk, needs=identity, present=present, consumer=said
            )
    versions = list(edge.versions.order_by("id"))
    assert [(v.present, ConsumerFacts.of(v)) for v in versions] == [(True, use), (False, use)]
    assert newest_entry()["data"]["after"] == {
        "depends_on": identity.locator,
        "present": False,
        "seen_as": "a-pool",
        "period_s": 3600,
        "takes_by": "reload",
    }


@pytest.mark.parametrize(
    "use",
    [
        ConsumerFacts(seen_as="a\u202eb"),
        ConsumerFacts(seen_as="x" * 201),
        ConsumerFacts(period_s=-1),
        ConsumerFacts(period_s=401 * 24 * 3600),
        ConsumerFacts(takes_by="magic"),
    ],
)
def test_a_use_with_a_value_that_is_not_allowed_is_refused(
    editor: PersonActor, use: ConsumerFacts
) -> None:
    source, identity = add(editor, "a"), factories.identity()
    with pytest.raises(BadValue), factories.acting(WEB):
        inventory.set_dependency(
            actor=editor, source_id=source.pk, needs=identity, present=True, consumer=use
        )


def test_only_the_use_of_an_identity_has_a_period(editor: PersonActor) -> None:
    source, needed = add(editor, "a"), add(editor, "b")
    with pytest.raises(BadValue), factories.acting(WEB):
        inventory.set_dependency(
            actor=editor,
            source_id=source.pk,
            needs=needed,
            present=True,
            consumer=ConsumerFacts(period_s=1),
        )


def test_a_service_does_not_depend_on_itself(editor: PersonActor) -> None:
    service = add(editor)
    with pytest.raises(BadValue), factories.acting(WEB):
        inventory.set_dependency(actor=editor, source_id=service.pk, needs=service, present=True)


# ---- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["security", "user_admin", "auditor", ""])
def test_only_inventory_editors_change_the_inventory(role: str) -> None:
    actor = person(*([role] if role else []))
    with pytest.raises(NotEntitled):
        add(actor)
    assert not m.Service.objects.exists()


def test_a13_superuser_status_gives_no_right_to_edit() -> None:
    actor = person()
    m.User.objects.filter(pk=actor.user_id).update(is_superuser=True, is_staff=True)
    with pytest.raises(NotEntitled):
        add(actor)


@pytest.mark.parametrize("actor", [worker(), ProcessActor("system:portal")])
def test_no_process_edits_the_inventory(actor: ProcessActor) -> None:
    with pytest.raises(NotEntitled):
        add(actor)


def test_no_agent_edits_the_inventory() -> None:
    row = factories.agent()
    with pytest.raises(NotEntitled):
        add(AgentActor(row.pk, factories.token(row).pk))


def test_an_inactive_editor_edits_nothing() -> None:
    with pytest.raises(NotEntitled):
        add(person("inventory_editor", active=False))


def test_an_operator_may_edit_the_inventory(editor: PersonActor) -> None:
    assert add(ProcessActor("operator:root@host")).versions.get().author == "operator:root@host"


def test_a51_without_its_entry_there_is_no_version(
    editor: PersonActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = add(editor)

    def broken(**_: Any) -> None:
        raise Refused("the log is gone")

    monkeypatch.setattr("remediation.services.inventory.facts.log.append", broken)
    with pytest.raises(Refused):
        change(editor, service, replace(SERVICE, criticality="low"))
    assert service.versions.count() == 1


def test_a_change_that_waits_too_long_for_another_is_refused(editor: PersonActor) -> None:
    """A large import locks the inventory for minutes; an edit meanwhile is refused by name."""
    with connect("hitl_web") as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [inventory._LOCK])
        with connection.cursor() as ours:
            ours.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(InventoryBusy):
            add(editor)
    assert not m.Service.objects.exists()
