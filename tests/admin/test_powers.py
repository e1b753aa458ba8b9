"""Who can use the admin, and what nobody can do there."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.test import RequestFactory

from remediation import models as m
from remediation.admin.base import PortalAdmin
from tests import factories
from tests.admin.conftest import DeskOf, refusals, text_of
from tests.views.conftest import sign_in

pytestmark = pytest.mark.django_db(databases=["default", "auditor"])

FACTS = {
    "owner_team": "",
    "environment": "development",
    "criticality": "low",
    "payment_path": "no",
    "external_partner": "no",
    "retired": "no",
}


def test_a13_a_superuser_without_a_group_sees_and_changes_nothing(desk_of: DeskOf) -> None:
    desk = desk_of(superuser=True)
    service, agent, alice = factories.service(), factories.agent(), factories.person("alice")
    posts = [
        desk.post("remediation_service_change", service.pk, **FACTS),
        desk.post("remediation_service_add", name="x", **FACTS),
        desk.post("remediation_service_rights", service.pk, right="review_service"),
        desk.post("remediation_agent_token", agent.pk, days=1),
        desk.post("remediation_user_change", alice.user.pk, groups=["security"]),
        desk.post("auth_group_add", name="team"),
        desk.post("remediation_service_delete", service.pk, post="yes"),
        desk.post("remediation_user_delete", alice.user.pk, post="yes"),
    ]
    assert [answer.status_code for answer in posts] == [403] * len(posts)
    assert refusals() == ["not_entitled"] * len(posts)
    assert service.versions.count() == 1
    assert not m.AgentToken.objects.filter(agent=agent).exists()
    assert not alice.user.groups.exists()


@pytest.mark.parametrize("role", ["inventory_editor", "user_admin", "agent_admin"])
def test_nobody_can_delete_anything(desk_of: DeskOf, role: str) -> None:
    desk = desk_of(role, superuser=True)
    service, agent = factories.service(), factories.agent()
    for name, pk in (("service", service.pk), ("agent", agent.pk), ("user", desk.someone.user.pk)):
        answer = desk.post(f"remediation_{name}_delete", pk, post="yes")
        assert answer.status_code == 403, name
    answer = desk.post(
        "remediation_service_changelist",
        action="delete_selected",
        _selected_action=[service.pk],
        post="yes",
    )
    assert m.Service.objects.filter(pk=service.pk).exists()


def test_people_without_staff_access_are_refused(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor", staff=False)
    answer = desk.post("remediation_service_add", name="x", **FACTS)
    assert answer.status_code == 302
    assert not m.Service.objects.exists()


def test_removing_a_role_takes_effect_at_once(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    assert desk.get("remediation_service_add").status_code == 200
    desk.someone.user.groups.clear()
    assert desk.post("remediation_service_add", name="x", **FACTS).status_code == 302, "signed out"
    desk.someone.user.refresh_from_db()
    sign_in(desk.client, desk.someone.user)
    assert desk.post("remediation_service_add", name="x", **FACTS).status_code == 403


def test_each_administrator_sees_only_their_pages(desk_of: DeskOf) -> None:
    for role, there, absent in (
        ("inventory_editor", "Services", "Users"),
        ("user_admin", "Users", "Proposals"),
        ("agent_admin", "Agents", "Proposals"),
    ):
        page = text_of(desk_of(role).get("index"))
        assert there in page, role
        assert absent not in page, role
    assert "Proposals" in text_of(desk_of("auditor").get("index"))


def test_the_admins_own_log_stays_empty(desk_of: DeskOf) -> None:
    """Django's log contains names and can be deleted; the audit log is used instead."""
    desk = desk_of("inventory_editor")
    desk.post("remediation_service_add", name="billing", **FACTS)
    service = m.Service.objects.get()
    answer = desk.post(
        "remediation_service_change",
        service.pk,
        based_on=service.versions.get().pk,
        **{**FACTS, "criticality": "high"},
    )
    assert answer.status_code == 302
    assert not LogEntry.objects.exists()
    history = desk.get("remediation_service_history", service.pk)
    assert history.status_code == 302


@pytest.mark.parametrize(
    ("role", "table", "query"),
    [
        ("user_admin", "remediation_user_changelist", {"password__startswith": "pbkdf2"}),
        ("user_admin", "remediation_user_changelist", {"password__gte": "a"}),
        ("user_admin", "remediation_user_changelist", {"mfa_authenticator__data__isnull": "True"}),
        ("agent_admin", "remediation_agent_changelist", {"tokens__hash__startswith": "0"}),
        ("auditor", "remediation_incident_changelist", {"agent__tokens__hash__gte": "0"}),
        ("auditor", "remediation_proposal_changelist", {"agent__versions__owner__isnull": "0"}),
        ("security", "remediation_review_changelist", {"credential_id__isnull": "False"}),
    ],
)
def test_a71_a_list_is_not_filtered_by_a_column_that_it_does_not_offer(
    desk_of: DeskOf, role: str, table: str, query: dict[str, str]
) -> None:
    answer = desk_of(role).get(table, **query)
    assert answer.status_code in (400, 302), "the filter was applied"
    assert answer.status_code == 400 or "e=1" in answer["Location"]


@pytest.mark.parametrize("pages", sorted(admin.site._registry.values(), key=str), ids=str)
def test_a71_no_list_is_filtered_by_what_it_does_not_offer(pages: ModelAdmin[Any]) -> None:
    filters = (one[0] if isinstance(one, tuple) else one for one in pages.list_filter)
    offered = {pages.date_hierarchy, *map(str, filters)}
    request = RequestFactory().get("/")
    for field in pages.model._meta.get_fields():
        for lookup in ("__gte", "__startswith", "__isnull", "__regex", "__in"):
            name = f"{field.name}{lookup}"
            assert not pages.lookup_allowed(name, "0", request) or field.name in offered, name


def test_a71_control_without_the_allow_list_a_hash_is_read(
    desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PortalAdmin, "lookup_allowed", ModelAdmin.lookup_allowed)
    desk = desk_of("user_admin")
    name = desk.someone.user.username
    start = desk.someone.user.password[:1]
    seen = desk.get("remediation_user_changelist", password__startswith=start)
    unseen = desk.get("remediation_user_changelist", password__startswith="nothing-like-it")
    rows = [text_of(page).partition('id="result_list"')[2] for page in (seen, unseen)]
    assert name in rows[0] and name not in rows[1]


def test_a71_control_the_filters_of_a_page_still_work(desk_of: DeskOf) -> None:
    desk = desk_of("user_admin")
    factories.person("gone")
    m.User.objects.filter(username="gone").update(is_active=False)
    page = text_of(desk.get("remediation_user_changelist", is_active__exact="0"))
    assert "gone" in page
    assert desk.someone.user.username not in page.partition('id="result_list"')[2]
