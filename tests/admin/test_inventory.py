"""Inventory pages: every edit adds a version by the signed-in person."""

from __future__ import annotations

from typing import Any

import pytest

from remediation import models as m
from remediation.services.inventory.facts import ServiceFacts
from tests import factories
from tests.admin.conftest import DeskOf, entries, refusals, text_of

pytestmark = pytest.mark.django_db

FACTS = {
    "owner_team": "payments",
    "environment": "production",
    "criticality": "critical",
    "payment_path": "yes",
    "external_partner": "no",
    "retired": "no",
}


def test_a_service_is_added_and_changed_by_versions(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    answer = desk.post("remediation_service_add", name="billing", **FACTS)
    assert answer.status_code == 302, text_of(answer)
    service = m.Service.objects.get(name="billing")
    version = service.versions.get()
    assert version.author == desk.actor
    assert ServiceFacts.of(version) == ServiceFacts(
        "payments", "production", "critical", True, False, False
    )

    page = text_of(desk.get("remediation_service_change", service.pk))
    assert f'name="based_on" value="{version.pk}"' in page
    answer = desk.post(
        "remediation_service_change",
        service.pk,
        based_on=version.pk,
        **{**FACTS, "criticality": "high"},
    )
    assert answer.status_code == 302, text_of(answer)
    assert [v.criticality for v in service.versions.order_by("id")] == ["critical", "high"]
    assert len(entries("person:inventory:changed")) == 2


def test_fields_that_could_loosen_have_no_default(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    page = text_of(desk.get("remediation_service_add"))
    assert page.count('<option value="" selected>Choose</option>') == 5
    for name in ("environment", "criticality", "payment_path", "external_partner", "retired"):
        answer = desk.post("remediation_service_add", name="billing", **{**FACTS, name: ""})
        assert answer.status_code == 200
    assert not m.Service.objects.exists()


def test_an_edit_of_an_old_version_is_refused_and_keeps_the_input(desk_of: DeskOf) -> None:
    desk, service = desk_of("inventory_editor"), factories.service("billing")
    old = service.versions.get().pk
    factories.service_version(service, criticality="high")
    answer = desk.post(
        "remediation_service_change",
        service.pk,
        based_on=old,
        **{**FACTS, "owner_team": "a new team"},
    )
    page = text_of(answer)
    assert answer.status_code == 200
    assert "somebody else changed it since you opened it" in page
    assert 'value="a new team"' in page
    assert service.versions.count() == 2
    assert refusals() == ["stale_digest"]


def test_an_identity_is_added_by_the_locator_of_its_kind(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    said = {
        "kind": "postgres.role",
        "name": "batch writer",
        "environment": "staging",
        "owner_team": "",
        "retired": "no",
    }
    wrong = desk.post("remediation_identity_add", locator="orders/batch", **said)
    assert (
        "the locator of a PostgreSQL role has the form postgres.role:{cluster}/{role}"
        in text_of(wrong)
    )
    assert not m.Identity.objects.exists()
    right = desk.post("remediation_identity_add", locator="postgres.role:orders/batch", **said)
    assert right.status_code == 302, text_of(right)
    identity = m.Identity.objects.get(locator="postgres.role:orders/batch")
    answer = desk.post(
        "remediation_identity_change",
        identity.pk,
        based_on=identity.versions.get().pk,
        **{**said, "owner_team": "platform"},
    )
    assert answer.status_code == 302, text_of(answer)
    assert [v.owner_team for v in identity.versions.order_by("id")] == ["", "platform"]
    identity.refresh_from_db()
    assert (identity.kind, identity.locator) == ("postgres.role", "postgres.role:orders/batch")


def test_a_dependency_is_added_and_removed(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    source, needed = factories.service("a"), factories.service("b")
    answer = desk.post("remediation_dependency_add", source=source.pk, service=needed.pk)
    assert answer.status_code == 302, text_of(answer)
    edge = m.Dependency.objects.get()
    answer = desk.post("remediation_dependency_change", edge.pk, present="no")
    assert answer.status_code == 302, text_of(answer)
    assert [v.present for v in edge.versions.order_by("id")] == [True, False]
    assert {v.author for v in edge.versions.all()} == {desk.actor}


def test_a_consumer_is_described_and_its_versions_are_shown(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    source, identity = factories.service("batch"), factories.identity()
    wrong = desk.post(
        "remediation_dependency_add", source=source.pk, identity=identity.pk, period="soon"
    )
    assert "A time such as 0, 90s, 15m, 24h or 31d" in text_of(wrong)
    answer = desk.post(
        "remediation_dependency_add",
        **{"source": source.pk, "identity": identity.pk, "seen_as": "batch-app", "period": "24h"},
    )
    assert answer.status_code == 302, text_of(answer)
    edge = m.Dependency.objects.get()
    page = text_of(desk.get("remediation_dependency_change", edge.pk))
    assert 'value="batch-app"' in page and 'value="1d"' in page
    desk.post(
        "remediation_dependency_change",
        edge.pk,
        **{"present": "yes", "seen_as": "batch-app", "period": "1h", "takes_by": "restart"},
    )
    found = list(edge.versions.order_by("id").values_list("seen_as", "period_s", "takes_by"))
    assert found == [("batch-app", 86_400, ""), ("batch-app", 3_600, "restart")]
    assert "a restart" in text_of(desk.get("remediation_dependency_changelist"))


def test_only_an_edge_to_an_identity_asks_how_it_is_used(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    edge = factories.dependency(factories.service(), factories.service())
    assert 'name="period"' not in text_of(desk.get("remediation_dependency_change", edge.pk))
    source, needed = factories.service(), factories.service()
    refused = desk.post(
        "remediation_dependency_add", source=source.pk, service=needed.pk, seen_as="x"
    )
    assert "only the use of an identity" in text_of(refused)


@pytest.mark.parametrize("ends", [(), ("service", "identity")])
def test_a_dependency_has_one_end(desk_of: DeskOf, ends: tuple[str, ...]) -> None:
    desk = desk_of("inventory_editor")
    source = factories.service()
    made = {"service": factories.service().pk, "identity": factories.identity().pk}
    answer = desk.post(
        "remediation_dependency_add", source=source.pk, **{end: made[end] for end in ends}
    )
    assert "Name a service or an identity, not both." in text_of(answer)
    assert not m.Dependency.objects.exists()


def test_the_lists_show_the_newest_version(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    service = factories.service("billing", owner_team="old team")
    factories.service_version(service, owner_team="new team", environment="production")
    identity = factories.identity(owner_team="keepers")
    factories.dependency(service, identity)
    for name, words in {
        "service": ("billing", "new team", "production"),
        "identity": (identity.locator, "keepers"),
        "dependency": ("billing", identity.locator),
    }.items():
        page = text_of(desk.get(f"remediation_{name}_changelist"))
        assert all(word in page for word in words), name
        assert "old team" not in page
    assert text_of(desk.get("remediation_service_changelist", q="bill")).count("billing") >= 1
    page = text_of(desk.get("remediation_service_change", service.pk))
    assert identity.locator in page
    assert "old team" in page  # among the versions


def test_other_administrators_can_read_but_not_change_the_inventory(desk_of: DeskOf) -> None:
    desk, service = desk_of("auditor"), factories.service("billing")
    page = text_of(desk.get("remediation_service_change", service.pk))
    assert "billing" in page
    assert 'name="_save"' not in page
    answer = desk.post("remediation_service_change", service.pk, **FACTS)
    assert answer.status_code == 403
    assert desk.post("remediation_service_add", name="x", **FACTS).status_code == 403
    assert service.versions.count() == 1
    assert refusals() == ["not_entitled"] * 2


# ---- rights on a service -------------------------------------------------------------------------


def test_a_user_administrator_gives_and_takes_rights(desk_of: DeskOf) -> None:
    desk, service = desk_of("user_admin"), factories.service("billing")
    alice = factories.person("alice")
    right: dict[str, Any] = {"right": "review_service", "username": "alice"}
    assert desk.sign("remediation_service_rights", service.pk, **right).status_code == 302
    page = text_of(desk.get("remediation_service_rights", service.pk))
    assert "alice" in page
    assert "may review" in page
    taken = desk.sign("remediation_service_rights", service.pk, take_away="yes", **right)
    assert taken.status_code == 302
    assert [e["data"]["held"] for e in entries("person:right:changed")] == [True, False]
    assert entries("person:right:changed")[0]["data"]["holder"] == alice.actor


def test_a_right_goes_to_a_person_or_to_a_group(desk_of: DeskOf) -> None:
    desk, service = desk_of("user_admin"), factories.service()
    for both in ({"username": "", "group": ""}, {"username": "alice", "group": "lead"}):
        answer = desk.post("remediation_service_rights", service.pk, right="view_service", **both)
        assert "Name a person or a group, not both." in text_of(answer)
    answer = desk.post(
        "remediation_service_rights", service.pk, right="view_service", username="nobody"
    )
    assert answer.status_code == 302
    assert refusals() == ["bad_value"]
    answer = desk.sign("remediation_service_rights", service.pk, right="view_service", group="lead")
    assert [e["data"]["holder"] for e in entries("person:right:changed")] == ["group:lead"]


@pytest.mark.parametrize("role", ["inventory_editor", "agent_admin", "auditor"])
def test_a12_others_give_no_rights(desk_of: DeskOf, role: str) -> None:
    desk, service = desk_of(role), factories.service()
    assert desk.get("remediation_service_rights", service.pk).status_code == 200
    answer = desk.post(
        "remediation_service_rights",
        service.pk,
        right="review_service",
        username=desk.someone.user.username,
    )
    assert answer.status_code == 403
    assert refusals() == ["not_entitled"]
    assert entries("person:right:changed") == []
