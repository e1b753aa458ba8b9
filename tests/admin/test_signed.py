"""A76, A77: power over people is given by a passkey, never by a session cookie alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from remediation import models as m
from remediation.services.access import authorize
from remediation.services.people import object_rights
from remediation.services.people import stepup as service
from tests import factories, stepup
from tests.admin.conftest import Desk, DeskOf, entries, refusals, text_of
from tests.database.attack import sql
from tests.database.attacks_power import UNGUARDED
from tests.factories import Person

pytestmark = pytest.mark.django_db

NAME: dict[str, Any] = {"email": "", "first_name": "", "last_name": ""}


@pytest.fixture
def desk(desk_of: DeskOf) -> Desk:
    return desk_of("user_admin")


@pytest.fixture
def bob() -> Person:
    return factories.person("bob", roles=["auditor"])


def forms(bob: Person) -> dict[str, tuple[str, tuple[int, ...], dict[str, Any]]]:
    """Return each form that gives or takes power: its page, and what is typed."""
    billing = factories.service("billing", owner_team="payments")
    right = {"right": "review_service", "username": "bob"}
    team = {"right": "review_service", "kind": "team", "name": "payments"}
    change = {**NAME, "active": "on"}
    return {
        "a group": ("remediation_user_change", (bob.user.pk,), {**change, "groups": ["security"]}),
        "an account": ("remediation_user_add", (), {**NAME, "username": "eve", "groups": ["lead"]}),
        "a new group": ("auth_group_add", (), {"name": "team"}),
        "a right": ("remediation_service_rights", (billing.pk,), right),
        "a right of a team": ("remediation_user_rights", (bob.user.pk,), team),
        "switched off": ("remediation_user_change", (bob.user.pk,), {**NAME, "groups": []}),
    }


def power() -> object:
    """Return all that the forms could change."""
    held = m.User.objects.order_by("pk").values_list("username", "is_active", "groups__name")
    rights = [object_rights.rights_held_by(user) for user in m.User.objects.order_by("pk")]
    return list(held), sorted(Group.objects.values_list("name", flat=True)), rights


def test_a76_a_cookie_alone_gives_and_takes_no_power(desk: Desk, bob: Person) -> None:
    asked = forms(bob)
    for name, (page, args, typed) in asked.items():
        before = power()
        # What the script asks for changes nothing, either.
        assert desk.ask(page, *args, **typed).status_code == 200, name
        desk.post(page, *args, **typed)
        assert power() == before, name
    assert refusals() == ["passkey_needed"] * len(asked)


def test_a76_control_without_the_check_the_cookie_is_enough(
    desk: Desk, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsigned(*, act: Any, **_: Any) -> service.Warrant:
        return service.Warrant(act, None)

    asked = forms(bob)
    monkeypatch.setattr(service, "warrant", unsigned)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for statement in UNGUARDED:
        sql(statement)
    for name, (page, args, typed) in asked.items():
        before = power()
        assert desk.post(page, *args, **typed).status_code == 302, name
        assert power() != before, name


def test_a76_one_signature_does_each_of_them_and_the_page_says_what(
    desk: Desk, bob: Person
) -> None:
    said = {
        "a group": "change the account bob – give the groups: security; take the groups: auditor",
        "an account": "create the account eve (e-mail: —), in the groups: lead",
        "a new group": "create the group team",
        "a right": "give bob the right “may review” on service billing",
        "a right of a team": "give bob the right “may review” on all services of the owner team"
        " payments",
        "switched off": "take the groups: security; switch it off",
    }
    for name, (page, args, typed) in forms(bob).items():
        before = power()
        if name == "a group":  # the factories give each person an address
            typed = {**typed, "email": bob.user.email}
        words = json.loads(desk.ask(page, *args, **typed).content)["words"]
        assert said[name] in words, words
        assert desk.sign(page, *args, **typed).status_code == 302, name
        assert power() != before, name
    assert entries("person:right:changed")[0]["data"]["step_up"]["assertion"]["signature"]


def test_a76_a_signature_for_another_change_is_refused(desk: Desk, bob: Person) -> None:
    """Nor is a signature taken twice, or one that has expired."""
    given = {**NAME, "email": bob.user.email, "active": "on"}
    page, who = "remediation_user_change", bob.user.pk
    lead = stepup.fields(
        desk.someone, json.loads(desk.ask(page, who, **given, groups=["lead"]).content)
    )
    other = factories.person("carol")
    for target, typed in (
        (who, {**given, "groups": ["security"]}),
        (who, {**given, "groups": ["lead", "inventory_editor"]}),
        (who, {**given, "groups": ["lead"], "email": "eve@example.org"}),
        (other.user.pk, {**given, "groups": ["lead"]}),
    ):
        before = power()
        desk.post(page, target, **typed, **lead)
        assert power() == before, typed
    assert refusals() == ["stale_digest"] * 4
    assert desk.post(page, who, **given, groups=["lead"], **lead).status_code == 302
    assert authorize.roles(bob.user) == {"lead"}
    # Somebody took the group away since: the same signature does not give it back.
    desk.sign(page, who, **given, groups=["auditor"])
    desk.post(page, who, **given, groups=["lead"], **lead)
    assert authorize.roles(bob.user) == {"auditor"}


def test_a76_a_used_or_expired_signature_is_refused(
    desk: Desk, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {"right": "review_service", "kind": "team", "name": "payments"}
    factories.service("billing", owner_team="payments")
    page, who = "remediation_user_rights", bob.user.pk
    once = stepup.fields(desk.someone, json.loads(desk.ask(page, who, **right).content))
    desk.post(page, who, **right, **once)
    assert object_rights.rights_held_by(bob.user)
    desk.sign(page, who, **right, take_away="yes")
    desk.post(page, who, **right, **once)
    assert refusals() == ["session_used"]
    old = stepup.fields(desk.someone, json.loads(desk.ask(page, who, **right).content))
    real = service.database_now
    monkeypatch.setattr(service, "database_now", lambda: real() + timedelta(minutes=5))
    desk.post(page, who, **right, **old)
    assert refusals() == ["session_used", "session_expired"]
    assert not object_rights.rights_held_by(bob.user)


def test_a77_nobody_signs_power_for_himself(desk: Desk) -> None:
    """With the right passkey, too: neither groups, nor rights, nor those of a group of his."""
    mine = desk.someone.user
    billing = factories.service("billing", owner_team="payments")
    before = power()
    for page, args, typed in (
        ("remediation_user_change", (mine.pk,), {**NAME, "active": "on", "groups": ["lead"]}),
        (
            "remediation_service_rights",
            (billing.pk,),
            {"right": "view_service", "username": mine.username},
        ),
        (
            "remediation_service_rights",
            (billing.pk,),
            {"right": "view_service", "group": "user_admin"},
        ),
        (
            "remediation_user_rights",
            (mine.pk,),
            {"right": "view_service", "kind": "team", "name": "payments"},
        ),
    ):
        desk.sign(page, *args, **typed)
    assert power() == before
    assert set(refusals()) <= {"not_entitled", "role_conflict"} and len(refusals()) == 4


def test_an_administrator_without_the_role_is_not_even_asked_to_sign(
    desk_of: DeskOf, bob: Person
) -> None:
    other = desk_of("inventory_editor")
    for page, args, typed in forms(bob).values():
        assert other.ask(page, *args, **typed).status_code == 403


def test_mistakes_are_said_at_the_fields_and_nothing_is_signed(desk: Desk) -> None:
    typed = {**NAME, "email": "nobody", "username": "eve", "groups": []}
    assert desk.ask("remediation_user_add", **typed).status_code == 400
    page = text_of(desk.post("remediation_user_add", **typed))
    assert "Enter a valid email address" in page
    # The page itself has what stepup.js needs.
    assert "step_up_statement" in page and "hitlportal/stepup" in page
    assert "data-step-up" in page
