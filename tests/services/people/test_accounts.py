"""People, groups and rights: who changes them, and which powers one person cannot combine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group

from audit.models import Entry, Secret
from remediation import models as m
from remediation.domain.errors import (
    AlreadyExists,
    BadValue,
    NoSuchObject,
    NotEntitled,
    RoleConflict,
)
from remediation.services.access import authorize
from remediation.services.actors import PersonActor, ProcessActor, worker
from remediation.services.people import accounts, object_rights
from remediation.services.people.accounts import PersonFacts
from remediation.services.people.object_rights import Place
from tests import factories, stepup
from tests.factories import WEB

pytestmark = pytest.mark.django_db

OPERATOR = ProcessActor("operator:root@host")


def groups(*names: str, **said: Any) -> PersonFacts:
    return PersonFacts(groups=frozenset(names), **said)


def create(actor: Any, username: str = "alice", facts: PersonFacts | None = None) -> m.User:
    with factories.acting(factories.login_of(actor)):
        facts = facts or groups()
        proof = stepup.by(actor, accounts.creating(username, facts))
        return accounts.create(actor=actor, username=username, facts=facts, proof=proof)


def change(actor: Any, user: m.User, facts: PersonFacts) -> m.User:
    with factories.acting(factories.login_of(actor)):
        proof = stepup.by(actor, accounts.changing(user, facts))
        return accounts.change(actor=actor, user_id=user.pk, facts=facts, proof=proof)


def create_group(actor: Any, name: str) -> None:
    with factories.acting(factories.login_of(actor)):
        proof = stepup.by(actor, accounts.creating_group(name))
        accounts.create_group(actor=actor, name=name, proof=proof)


def set_right(actor: Any, service: m.Service, right: str, *, held: bool, **holder: Any) -> None:
    with factories.acting(factories.login_of(actor)):
        act = object_rights.setting(Place("service", service.name), right, held=held, **holder)
        object_rights.set_right(
            actor=actor, service_id=service.pk, right=right, held=held,
            proof=stepup.by(actor, act), **holder,
        )  # fmt: skip


@pytest.fixture
def admin() -> PersonActor:
    made = factories.person(roles=["user_admin"])
    return PersonActor(made.id, made.user.pk)


def entries(action: str) -> list[Any]:
    return [e.data for e in Entry.objects.order_by("id") if e.data["action"] == action]


# ---- accounts ------------------------------------------------------------------------------------


def test_an_account_is_made_without_any_way_to_sign_in(admin: PersonActor) -> None:
    user = create(admin, facts=groups("security", email="alice@example.org"))
    assert not user.has_usable_password()
    assert authorize.approver_roles(user.person) == {"security"}
    assert (user.email, user.is_superuser, user.is_staff) == ("alice@example.org", False, False)


def test_entries_hold_no_names(admin: PersonActor) -> None:
    """A person can be erased while the record stays."""
    facts = groups("lead", email="alice@example.org", first_name="Alice", last_name="Arnold")
    user = create(admin, facts=facts)
    change(admin, user, replace(facts, last_name="Berg", email="berg@example.org"))
    (made,), (changed,) = entries("person:user:created"), entries("person:user:changed")
    assert made["object"] == changed["object"] == f"person:{user.person}"
    hidden = {"username", "email", "first_name", "last_name"}
    assert made["data"].keys() - hidden == {"active", "groups", "input", "step_up"}
    assert changed["data"]["changed"] == ["email", "last_name"]
    # Entries hold the names as commitments, which can be opened until they are erased.
    for entry, names in ((made, hidden), (changed, {"email", "last_name"})):
        assert {n for n in hidden if entry["data"].get(n, {}).keys() == {"hmac-sha256"}} == names
    assert {s.value for s in Secret.objects.all()} >= {"alice@example.org", "Arnold", "Berg"}
    for entry in (made, changed):
        assert not any(word in str(entry).lower() for word in ("alice", "arnold", "berg"))


def test_an_operator_makes_the_first_accounts() -> None:
    user = create(OPERATOR, "root.admin", groups("user_admin"))
    assert user.is_staff
    (entry,) = entries("operator:user:created")
    assert entry["actor"] == OPERATOR.ref


@pytest.mark.parametrize("username", ["", "Alice", "\u0430lice", "al ice", "-alice", "a" * 151])
def test_a_user_name_has_one_form(admin: PersonActor, username: str) -> None:
    with pytest.raises(BadValue):
        create(admin, username)


@pytest.mark.parametrize(
    "wrong", [{"email": "nobody"}, {"first_name": "A\u202elice"}, {"last_name": "x" * 151}]
)
def test_invalid_account_data_is_refused(admin: PersonActor, wrong: dict[str, str]) -> None:
    with pytest.raises(BadValue):
        create(admin, facts=groups(**wrong))


def test_a_user_name_is_unique(admin: PersonActor) -> None:
    create(admin)
    with pytest.raises(AlreadyExists):
        create(admin)


def test_a_change_moves_groups_and_activity(admin: PersonActor) -> None:
    user = create(admin, facts=groups("security"))
    change(admin, user, groups("auditor", "lead", active=False))
    user.refresh_from_db()
    assert set(user.groups.values_list("name", flat=True)) == {"auditor", "lead"}
    assert (user.is_active, user.is_staff) == (False, True)
    (entry,) = entries("person:user:changed")
    assert entry["data"]["before"] == {"active": True, "groups": ["security"]}
    assert entry["data"]["after"] == {"active": False, "groups": ["auditor", "lead"]}


def test_a_change_without_difference_writes_nothing(admin: PersonActor) -> None:
    user = create(admin, facts=groups("security"))
    change(admin, user, groups("security"))
    assert entries("person:user:changed") == []


def test_an_unknown_group_or_account_is_refused(admin: PersonActor) -> None:
    with pytest.raises(NoSuchObject):
        create(admin, facts=groups("secur1ty"))
    with pytest.raises(NoSuchObject), factories.acting(WEB):
        accounts.change(actor=admin, user_id=1 << 30, facts=groups())
    assert not m.User.objects.filter(username="alice").exists()


# ---- powers that exclude each other --------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(accounts.APPROVER_ROLES))
@pytest.mark.parametrize("power", sorted(accounts.ADMINISTERING))
def test_a11_an_administrator_is_no_approver_in_either_order(
    admin: PersonActor, role: str, power: str
) -> None:
    with pytest.raises(RoleConflict):
        create(admin, "both", groups(role, power))
    approver = create(admin, "approver", groups(role))
    administrator = create(admin, "administrator", groups(power))
    with pytest.raises(RoleConflict):
        change(admin, approver, groups(role, power))
    with pytest.raises(RoleConflict):
        change(admin, administrator, groups(role, power))
    # Holding one after the other is a recorded change of duties.
    change(admin, approver, groups(power))


@pytest.mark.parametrize("role", sorted(accounts.APPROVER_ROLES))
def test_a13_a_superuser_becomes_no_approver(admin: PersonActor, role: str) -> None:
    user = create(admin)
    m.User.objects.filter(pk=user.pk).update(is_superuser=True)
    with pytest.raises(RoleConflict):
        change(admin, user, groups(role))


def test_an_inventory_editor_may_approve(admin: PersonActor) -> None:
    """A person who loosened the inventory is excluded per proposal (promise 4)."""
    user = create(admin, facts=groups("security", "inventory_editor"))
    assert user.is_staff


# ---- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["security", "agent_admin", "inventory_editor", "auditor", ""])
def test_a12_only_user_administrators_change_people(role: str) -> None:
    made = factories.person(roles=[role] if role else [])
    actor = PersonActor(made.id, made.user.pk)
    service = factories.service()
    with pytest.raises(NotEntitled):
        create(actor)
    with pytest.raises(NotEntitled):
        change(actor, made.user, groups("user_admin"))
    with pytest.raises(NotEntitled), factories.acting(WEB):
        accounts.create_group(actor=actor, name="team")
    with pytest.raises(NotEntitled), factories.acting(WEB):
        object_rights.set_right(
            actor=actor, service_id=service.pk, right="review_service", held=True, person=made.id
        )


def test_a13_superuser_status_gives_no_right_to_change_people() -> None:
    made = factories.person()
    m.User.objects.filter(pk=made.user.pk).update(is_superuser=True, is_staff=True)
    with pytest.raises(NotEntitled):
        create(PersonActor(made.id, made.user.pk))


def test_the_worker_changes_nobody() -> None:
    with pytest.raises(NotEntitled):
        create(worker())


# ---- groups and rights ---------------------------------------------------------------------------


def test_a_group_of_a_team_carries_object_rights_only(admin: PersonActor) -> None:
    create_group(admin, "team_payments")
    assert entries("person:group:changed")[0]["object"] == "group:team_payments"
    user = create(admin, facts=groups("team_payments"))
    assert authorize.approver_roles(user.person) == frozenset()
    with pytest.raises(AlreadyExists):
        create_group(admin, "team_payments")


@pytest.mark.parametrize("name", ["", "Security", "sec urity", "s\u0435curity", "1team"])
def test_a_group_name_has_one_form(admin: PersonActor, name: str) -> None:
    with pytest.raises(BadValue), factories.acting(WEB):
        accounts.create_group(actor=admin, name=name)
    assert not Group.objects.filter(name=name).exists()


def test_a_right_is_given_and_taken_away(admin: PersonActor) -> None:
    alice, service = factories.person("alice"), factories.service("billing")
    for _ in range(2):
        set_right(admin, service, "review_service", held=True, person=alice.id)
    assert authorize.service_ids(alice.id, "review_service") == {service.pk}
    set_right(admin, service, "review_service", held=False, person=alice.id)
    assert authorize.service_ids(alice.id, "review_service") == frozenset()
    said = [e["data"] for e in entries("person:right:changed")]
    assert [{key: one[key] for key in ("right", "holder", "held")} for one in said] == [
        {"right": "review_service", "holder": f"person:{alice.id}", "held": held}
        for held in (True, False)
    ]
    assert all(one.keys() == {"right", "holder", "held", "input", "step_up"} for one in said)


def test_a_right_of_a_group_counts_for_its_members(admin: PersonActor) -> None:
    service = factories.service("billing")
    create_group(admin, "team")
    set_right(admin, service, "view_service", held=True, group="team")
    user = create(admin, facts=groups("team"))
    assert authorize.service_ids(user.person, "view_service") == {service.pk}
    assert [(r.right, r.holder, r.person) for r in object_rights.rights_on(service.pk)] == [
        ("view_service", "team", None)
    ]


def test_an_unknown_right_or_two_holders_are_refused(admin: PersonActor) -> None:
    alice, service = factories.person(), factories.service()
    call: dict[str, Any] = {"actor": admin, "service_id": service.pk, "held": True}
    for wrong, error in (
        ({"right": "delete_service", "person": alice.id}, BadValue),
        ({"right": "view_service"}, BadValue),
        ({"right": "view_service", "person": alice.id, "group": "lead"}, BadValue),
        ({"right": "view_service", "person": uuid4()}, NoSuchObject),
        ({"right": "view_service", "group": "nobody"}, NoSuchObject),
        ({"right": "view_service", "person": alice.id, "service_id": 1 << 40}, NoSuchObject),
    ):
        with pytest.raises(error), factories.acting(WEB):
            object_rights.set_right(**{**call, **wrong})
    assert object_rights.rights_on(service.pk) == []


def test_a77_nobody_changes_his_own_account(admin: PersonActor) -> None:
    """Not even to give up administration for a role that decides: that is two people's act."""
    own = m.User.objects.get(pk=admin.user_id)
    for facts in (groups("security"), groups(), groups("user_admin", email="new@example.org")):
        with pytest.raises(NotEntitled, match="another administrator does"):
            change(admin, own, facts)
    assert not entries("person:user:changed")
    other = factories.person(roles=["user_admin"])
    change(PersonActor(other.id, other.user.pk), own, groups("security"))
    assert authorize.approver_roles(admin.person) == {"security"}
