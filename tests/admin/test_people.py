"""Accounts and groups in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from remediation import models as m
from remediation.services.access import authorize
from tests import factories
from tests.admin.conftest import Desk, DeskOf, entries, refusals, text_of

pytestmark = pytest.mark.django_db

ALICE: dict[str, Any] = {
    "username": "alice",
    "email": "alice@example.org",
    "first_name": "Alice",
    "last_name": "",
    "groups": ["security"],
}


@pytest.fixture
def desk(desk_of: DeskOf) -> Desk:
    return desk_of("user_admin")


def test_an_account_is_made_and_changed_through_the_service(desk: Desk) -> None:
    answer = desk.sign("remediation_user_add", **ALICE)
    assert answer.status_code == 302, text_of(answer)
    alice = m.User.objects.get(username="alice")
    assert not alice.has_usable_password()
    assert authorize.approver_roles(alice.person) == {"security"}
    assert entries("person:user:created")[0]["actor"] == desk.actor

    changed = {**ALICE, "groups": ["lead", "auditor"]}  # the box "active" is not ticked
    answer = desk.sign("remediation_user_change", alice.pk, **changed)
    assert answer.status_code == 302, text_of(answer)
    alice.refresh_from_db()
    assert not alice.is_active
    assert set(alice.groups.values_list("name", flat=True)) == {"lead", "auditor"}
    (entry,) = entries("person:user:changed")
    assert entry["object"] == alice.actor


def test_the_page_shows_the_stored_values(desk: Desk) -> None:
    alice = factories.person("alice", roles=["security"])
    page = text_of(desk.get("remediation_user_change", alice.user.pk))
    assert alice.passkey.fingerprint in page
    assert str(alice.id) in page
    assert page.count("checked") == 2  # security, active
    assert "password" not in page.lower().replace("/account/password", "")
    assert "alice" in text_of(desk.get("remediation_user_changelist", q="ali"))


@pytest.mark.parametrize("power", ["agent_admin", "user_admin"])
def test_a11_who_administers_is_no_approver(desk: Desk, power: str) -> None:
    answer = desk.post("remediation_user_add", **{**ALICE, "groups": ["security", power]})
    page = text_of(answer)
    assert answer.status_code == 200
    assert "An account that administers users or agents holds no approver role." in page
    assert 'value="alice@example.org"' in page  # the form keeps the input
    assert not m.User.objects.filter(username="alice").exists()
    assert refusals() == ["role_conflict"]


def test_a11_an_administrator_does_not_make_himself_an_approver(desk: Desk) -> None:
    myself = desk.someone.user
    answer = desk.post(
        "remediation_user_change",
        myself.pk,
        email="",
        first_name="",
        last_name="",
        groups=["user_admin", "security"],
        active="on",
    )
    assert answer.status_code == 200
    assert authorize.roles(myself) == {"user_admin"}
    assert refusals() == ["role_conflict"]


def test_superuser_staff_permissions_and_password_are_in_no_form(desk: Desk) -> None:
    alice = factories.person("alice").user
    before = m.User.objects.values("password", "is_superuser", "is_staff", "username").get(
        pk=alice.pk
    )
    answer = desk.sign(
        "remediation_user_change",
        alice.pk,
        **{**ALICE, "username": "root", "groups": [], "active": "on"},
        is_superuser="on",
        is_staff="on",
        password="x",
        user_permissions=["1"],
    )
    assert answer.status_code == 302
    now = m.User.objects.values("password", "is_superuser", "is_staff", "username").get(pk=alice.pk)
    assert now == before
    assert not alice.user_permissions.exists()


def test_a_group_is_made_and_never_renamed(desk: Desk) -> None:
    assert desk.sign("auth_group_add", name="team_payments").status_code == 302
    group = Group.objects.get(name="team_payments")
    assert desk.post("auth_group_change", group.pk, name="security").status_code == 403
    assert not Group.objects.filter(name="security").exists()
    assert "has rights on services only" in text_of(desk.get("auth_group_change", group.pk))
    answer = desk.post("auth_group_add", name="Team Payments")
    assert "lower-case letters" in text_of(answer)
    assert refusals() == ["not_entitled", "bad_value"]


@pytest.mark.parametrize("role", ["inventory_editor", "agent_admin", "auditor"])
def test_a12_others_of_the_admin_change_nobody(desk_of: DeskOf, role: str) -> None:
    other, alice = desk_of(role), factories.person("alice")
    answers = [
        other.post("remediation_user_add", **{**ALICE, "username": "x"}),
        other.post("remediation_user_change", alice.user.pk, **ALICE),
        other.post("auth_group_add", name="team"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert refusals() == ["not_entitled"] * 3
    readable = role == "auditor"
    page = other.get("remediation_user_change", alice.user.pk)
    assert page.status_code == (200 if readable else 403)


def test_only_our_own_pages_are_registered() -> None:
    """Django's page could rename groups; allauth's could delete passkeys."""
    labels = {model._meta.label for model in admin.site._registry}
    assert not {label for label in labels if label.split(".")[0] in ("mfa", "account", "guardian")}
    assert {type(page).__module__.split(".")[0] for page in admin.site._registry.values()} <= {
        "remediation",
        "audit",
    }
