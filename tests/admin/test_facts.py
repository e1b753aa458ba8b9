"""Facts in the admin: auditors read them through their own login; nobody can change them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import NoReverseMatch, reverse

from remediation import models as m
from remediation.admin.facts import READABLE, SEEN, FactAdmin
from tests import factories
from tests.admin.conftest import Desk, DeskOf, entries, refusals, text_of

EDITED = {m.Service, m.Identity, m.Dependency, m.Agent, m.User}
# Hidden models: sign-in data, agents' credentials, prepared statements.
HIDDEN = {
    m.AgentToken,
    m.AgentTokenRevocation,
    m.EvidenceBlob,
    m.IdempotencyRecord,
    m.Invitation,
    m.InvitationUse,
    m.ReviewSession,
}


def name_of(model: type[Any], page: str) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_{page}"


@pytest.mark.django_db(databases=["default", "auditor"], transaction=True)
def test_an_auditor_reads_every_kind_of_fact_and_the_reading_is_on_record(
    desk_of: DeskOf,
) -> None:
    proposal = factories.proposal_at("succeeded")
    desk = desk_of("auditor")
    for model in (*READABLE, *SEEN):
        answer = desk.get(name_of(model, "changelist"))
        assert answer.status_code == 200, model
        row = model._default_manager.first()
        if row is not None:
            page = desk.get(name_of(model, "change"), row.pk)
            assert page.status_code == 200, model
            assert 'name="_save"' not in text_of(page)
    page = text_of(desk.get("remediation_proposal_change", proposal.pk))
    plan = bytes(proposal.plan).decode()
    assert plan[:40].replace('"', "&quot;") in page
    read = entries("person:audit:read")
    assert {e["object"] for e in read} == {
        f"table:{model._meta.model_name}" for model in (*READABLE, *SEEN)
    }
    assert read[-1]["data"] == {"query": "", "row": str(proposal.pk)}
    assert {e["actor"] for e in read} == {desk.actor}


@pytest.mark.django_db(databases=["default", "auditor"], transaction=True)
def test_a01_what_an_agent_wrote_is_inert(desk_of: DeskOf) -> None:
    agent = factories.agent()
    incident = factories.incident(agent, "test.target:t", title="<b>x</b>\u202eevil\u200b")
    desk = desk_of("auditor")
    for page in (
        text_of(desk.get("remediation_incident_changelist")),
        text_of(desk.get("remediation_incident_change", incident.pk)),
    ):
        assert "<b>x</b>" not in page
        assert "\u202e" not in page
        assert "\u200b" not in page
        assert "⟨U+202E⟩" in page


@pytest.mark.django_db(databases=["default", "auditor"])
@pytest.mark.parametrize("role", ["user_admin", "agent_admin", "inventory_editor", "security"])
def test_a12_nobody_else_reads_facts_here(desk_of: DeskOf, role: str) -> None:
    """Object rights decide who sees a proposal; the admin must not bypass them."""
    desk = desk_of(role)
    closed = [*READABLE, *(() if role == "security" else SEEN)]
    for model in closed:
        assert desk.get(name_of(model, "changelist")).status_code == 403, model
    assert refusals() == ["not_entitled"] * len(closed)
    assert entries("person:audit:read") == []


@pytest.mark.django_db(databases=["default", "auditor"])
@pytest.mark.parametrize("roles", [(), ("auditor",), ("user_admin", "agent_admin")])
def test_a13_a_superuser_changes_no_fact(desk_of: DeskOf, roles: tuple[str, ...]) -> None:
    desk = desk_of(*roles, superuser=True)
    for model in (*READABLE, *SEEN):
        for page, arguments in (("add", ()), ("change", ("1",)), ("delete", ("1",))):
            answer = desk.post(name_of(model, page), *arguments)
            # Django redirects a POST for a missing row to the index.
            assert answer.status_code in (403, 302), (model, page)
            if page == "add" or not roles:
                assert answer.status_code == 403, (model, page)
    assert not m.Freeze.objects.exists()
    assert "not_entitled" in refusals()


@pytest.mark.django_db
def test_every_model_is_edited_by_a_service_or_readable_or_hidden() -> None:
    ours = {model for model in admin.site._registry if model._meta.app_label == "remediation"}
    assert ours == EDITED | {*READABLE, *SEEN}
    assert not ours & HIDDEN
    for model in HIDDEN:
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:{name_of(model, 'changelist')}")


@pytest.mark.django_db
@pytest.mark.parametrize("model", [*READABLE, *SEEN])
def test_a_facts_page_grants_nothing_to_anybody(model: type[Any], desk_of: DeskOf) -> None:
    desk: Desk = desk_of("auditor", "user_admin", superuser=True)
    request = RequestFactory().get("/")
    request.user = desk.someone.user
    page = admin.site._registry[model]
    assert isinstance(page, FactAdmin)
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
    assert page.get_actions(request) == {}


@pytest.mark.django_db(databases=["default", "auditor"], transaction=True)
def test_a12_an_approver_reads_the_rows_that_other_pages_show_her(desk_of: DeskOf) -> None:
    """Only what a right lets her see; nothing about other services' proposals."""
    proposal = factories.proposal_at("succeeded")
    stranger, mine = desk_of("service_owner"), desk_of("service_owner")
    m.User.objects.filter(pk=stranger.someone.user.pk).update(is_staff=False)
    service = m.Service.objects.get(
        pk=m.AssessmentService.objects.filter(assessment__proposal=proposal).first().service_id  # type: ignore[union-attr]
    )
    factories.grant(mine.someone.user, "view_service", service)
    for model in SEEN:
        listed = text_of(mine.get(name_of(model, "changelist")))
        row = model._default_manager.first()
        assert row is not None
        assert reverse(f"admin:{name_of(model, 'change')}", args=[row.pk]) in listed, model
        page = mine.get(name_of(model, "change"), row.pk)
        assert page.status_code == 200
        assert 'name="_save"' not in text_of(page)
        hidden = text_of(stranger.get(name_of(model, "changelist")))
        assert reverse(f"admin:{name_of(model, 'change')}", args=[row.pk]) not in hidden, model
        assert stranger.get(name_of(model, "change"), row.pk).status_code in (302, 404), model
    assert f"/proposals/{proposal.pk}/" in text_of(mine.get("remediation_proposal_changelist"))
    assert entries("person:audit:read") == []
