"""Who may see and decide: by group rows and object rows, never by superuser status (A13)."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from guardian.models import GroupObjectPermission

from remediation import models as m
from remediation.services.access import authorize, slots, visibility
from tests import factories
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path, settings):  # type: ignore[no-untyped-def]
    return World(tmp_path, settings)


def test_a13_superuser_status_gives_no_right_to_see_or_decide(world: World) -> None:
    root = factories.person()
    root.user.is_superuser = root.user.is_staff = True
    root.user.save()
    proposal = world.get(world.in_review())
    with acts(factories.WEB):
        assert not visibility.may_view(root.user, proposal)
        assert slots.open_slots_for(root.user, proposal) == ()
        assert not authorize.may_audit(root.user)


def test_a_role_without_the_right_on_the_service_does_not_count(world: World) -> None:
    carol = factories.person(roles=["security"])
    proposal = world.get(world.in_review())
    assert slots.open_slots_for(carol.user, proposal) == ()
    assert authorize.entitled_roles(carol.id, authorize.newest(proposal)) == frozenset()


def test_a_right_through_a_group_counts_like_a_personal_one(world: World) -> None:
    carol = factories.person(roles=["security", "payments"])
    service = m.Service.objects.get()
    kind = ContentType.objects.get_for_model(m.Service)
    GroupObjectPermission.objects.create(
        group=Group.objects.get(name="payments"),
        permission=kind.permission_set.get(codename="review_service"),
        content_type=kind,
        object_pk=str(service.pk),
    )
    proposal = world.get(world.in_review())
    assert slots.open_slots_for(carol.user, proposal) == ("security",)


def test_the_right_to_view_is_not_the_right_to_review(world: World) -> None:
    carol = factories.person(roles=["security"])
    factories.grant(carol.user, "view_service", m.Service.objects.get())
    proposal = world.get(world.in_review())
    assert visibility.may_view(carol.user, proposal)
    assert slots.open_slots_for(carol.user, proposal) == ()


def test_who_decided_has_no_slot_any_more(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    proposal = world.get(proposal_id)
    assert slots.open_slots_for(world.people["alice"].user, proposal) == ()
    assert slots.open_slots_for(world.people["bob"].user, proposal) == ("service_owner",)
    # The slot of alice's role is taken.
    assert slots.open_slots_for(world.people["mallory"].user, proposal) == ()


def test_auditors_see_all_and_decide_nothing(world: World) -> None:
    carol = factories.person(roles=["auditor"])
    proposal = world.get(world.in_review())
    assert visibility.may_view(carol.user, proposal)
    assert authorize.may_audit(carol.user)
    assert slots.open_slots_for(carol.user, proposal) == ()


def test_an_inactive_account_sees_nothing(world: World) -> None:
    alice = world.people["alice"].user
    proposal = world.get(world.in_review())
    alice.is_active = False
    assert not visibility.may_view(alice, proposal)
    assert slots.open_slots_for(alice, proposal) == ()


def test_the_owner_of_the_agent_cannot_close_its_incident(world: World) -> None:
    incident = world.get(world.in_review()).incident
    assert not visibility.may_close_incidents(world.people["dave"].user, incident)
    assert visibility.may_close_incidents(world.people["alice"].user, incident)
