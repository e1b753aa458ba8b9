"""Rights by service, owner team and environment, and what they come to on a service."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Entry
from remediation.domain.errors import NoSuchObject, NotEntitled
from remediation.models import EnvironmentName, OwnerTeam
from remediation.services.access import authorize
from remediation.services.actors import Actor, PersonActor, ProcessActor
from remediation.services.people import object_rights
from remediation.services.people.object_rights import Place
from tests import factories, stepup
from tests.factories import WEB, Person
from tests.flows.world import acts

pytestmark = pytest.mark.django_db
OPERATOR = ProcessActor("operator:test")
TEAM, STAGING = Place("team", "payments"), Place("environment", "staging")


def give(someone: Person, place: Place, *, held: bool = True, actor: Actor = OPERATOR) -> bool:
    with acts(factories.login_of(actor)):
        act = object_rights.setting(place, "review_service", held=held, person=someone.id)
        return object_rights.set_right_on(
            actor=actor, place=place, right="review_service", held=held, person=someone.id,
            proof=stepup.by(actor, act),
        )  # fmt: skip


def reviews(someone: Person) -> set[int]:
    with acts(WEB):
        return set(authorize.service_ids(someone.id, "review_service"))


def test_a_right_on_a_team_or_an_environment_counts_on_each_of_its_services() -> None:
    pay, export = (factories.service(owner_team="payments") for _ in range(2))
    other = factories.service(owner_team="shop", environment="production")
    alice, bob = factories.person(), factories.person()
    assert give(alice, TEAM)
    assert give(bob, STAGING)
    assert reviews(alice) == {pay.pk, export.pk} == reviews(bob)
    assert other.pk not in reviews(bob)
    assert not give(alice, TEAM)
    assert give(alice, TEAM, held=False)
    assert reviews(alice) == set()


def test_rights_from_several_places_are_united() -> None:
    pay = factories.service(owner_team="payments")
    far = factories.service(owner_team="shop", environment="production")
    alice = factories.person()
    for place in (TEAM, STAGING, Place("service", far.name)):
        give(alice, place)
    assert reviews(alice) == {pay.pk, far.pk}
    with acts(WEB):
        held = object_rights.rights_held_by(alice.user)
    assert {right.place for right in held} == {TEAM, STAGING, Place("service", far.name)}


@pytest.mark.parametrize("place", [TEAM, STAGING])
def test_a45_moving_a_service_gives_nobody_a_right_on_it_within_a_day(place: Place) -> None:
    """Otherwise whoever keeps the inventory could choose who decides."""
    factories.service(owner_team="payments")
    moved = factories.service(owner_team="shop", environment="production")
    factories.settle_inventory()
    alice = factories.person()
    give(alice, place)
    assert moved.pk not in reviews(alice)
    factories.service_version(moved, owner_team="payments", environment="staging")
    assert moved.pk not in reviews(alice)
    factories.settle_inventory()
    assert moved.pk in reviews(alice)


def test_a_team_that_loses_a_service_loses_its_right_at_once() -> None:
    moved = factories.service(owner_team="payments")
    factories.settle_inventory()
    alice = factories.person()
    give(alice, TEAM)
    assert reviews(alice) == {moved.pk}
    factories.service_version(moved, owner_team="shop")
    assert reviews(alice) == set()


def test_a77_nobody_gives_a_right_to_himself_or_to_a_group_of_his() -> None:
    factories.service(owner_team="payments")
    admin = factories.person(roles=["user_admin", "oncall"])
    actor = PersonActor(admin.id, admin.user.pk)
    with pytest.raises(NotEntitled, match="himself"):
        give(admin, TEAM, actor=actor)
    with acts(WEB), pytest.raises(NotEntitled, match="himself"):
        object_rights.set_right_on(
            actor=actor, place=TEAM, right="view_service", held=True, group="oncall"
        )
    assert give(factories.person(), TEAM, actor=actor)


def test_an_unknown_team_or_environment_is_refused() -> None:
    factories.service(owner_team="payments")
    alice = factories.person()
    for place in (Place("team", "paymemts"), Place("environment", "prod"), Place("team", "")):
        with pytest.raises(NoSuchObject):
            give(alice, place)


def test_a70_the_entry_of_a_right_names_the_team() -> None:
    factories.service(owner_team="payments")
    give(factories.person(), TEAM)
    found = [entry.data for entry in Entry.objects.order_by("-pk")[:4]]
    by_trigger = next(e for e in found if e["action"] == "database:right:changed")
    assert by_trigger["data"]["on"] == "team:payments"
    by_service = next(e for e in found if e["action"] == "operator:right:changed")
    assert by_service["object"] == "team:payments"


def test_names_of_teams_and_environments_are_facts() -> None:
    factories.service(owner_team="payments")
    give(factories.person(), TEAM)
    give(factories.person(), STAGING)
    for model in (OwnerTeam, EnvironmentName):
        with acts(WEB), pytest.raises(Exception, match="permission denied"), transaction.atomic():
            model.objects.update(name="x")
        with acts("hitl_owner"), pytest.raises(Exception, match="append"), transaction.atomic():
            model.objects.all().delete()
    with acts(WEB), pytest.raises(IntegrityError), transaction.atomic():
        OwnerTeam.objects.create(name="no entry", entry=1)
    assert connection.vendor == "postgresql" and timedelta(hours=24)
