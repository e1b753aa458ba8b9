"""Who decides in a real organisation: two teams share a credential; nobody is left to decide."""

from __future__ import annotations

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command

from remediation.domain.errors import NotEntitled, SlotNotOpen
from remediation.domain.ruling import Ruling
from remediation.domain.telling import Kind
from remediation.models import Identity, Service, Telling, User
from remediation.services.access import authorize
from remediation.services.outbox.compose import compose
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts


def shared_by_two_teams(world: World, **of_both: object) -> tuple[Service, Service]:
    """Make orders (bob's) and billing (carol's) use one credential; alice's right is on orders."""
    orders = Service.objects.get()
    facts = {"environment": "production", "criticality": "high", "payment_path": False, **of_both}
    factories.service_version(orders, **{**facts, "owner_team": "orders"})
    billing = factories.service(**{**facts, "owner_team": "billing"})
    factories.dependency(billing, Identity.objects.get(locator="test.target:t1"))
    world.people["carol"] = factories.person(f"carol{factories.number()}", roles=["service_owner"])
    factories.grant(world.people["carol"].user, "review_service", billing)
    world.approve_keys_of("alice", "bob", "carol", "dave", "eve")
    return orders, billing


@pytest.mark.parametrize("owner", ["bob", "carol"])
def test_a_credential_of_two_teams_is_decided_by_either_owner_and_security(
    world: World, owner: str
) -> None:
    """Nobody holds the right on both services; before, nobody could decide."""
    shared_by_two_teams(world)
    proposal_id = world.in_review()
    assert authorize.newest(world.get(proposal_id)).slots == ["security", "service_owner"]
    world.decide("alice", proposal_id)
    world.decide(owner, proposal_id, slot="service_owner")
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_an_owner_of_each_team_on_the_payment_path_is_asked(world: World) -> None:
    shared_by_two_teams(world, payment_path=True)
    proposal_id = world.in_review()
    ruling = Ruling.parse(bytes(authorize.newest(world.get(proposal_id)).ruling))
    assert ruling.slots == ("security", "service_owner:1", "service_owner:2")
    assert [owner.team for owner in ruling.owners] == ["billing", "orders"]
    with pytest.raises((SlotNotOpen, NotEntitled)):
        world.decide("bob", proposal_id, slot="service_owner:1")
    world.decide("alice", proposal_id)
    world.decide("carol", proposal_id, slot="service_owner:1")
    assert world.state_of(proposal_id) == "in_review"
    world.decide("bob", proposal_id, slot="service_owner:2")
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_a_right_that_is_lost_after_the_approval_stops_the_run(world: World) -> None:
    shared_by_two_teams(world)
    proposal_id = world.approved()
    world.people["bob"].user.userobjectpermission_set.all().delete()
    world.execute(proposal_id)
    assert world.calls() == []
    assert world.refusals(proposal_id) == ["reviewer_lost"]


def told(proposal_id: UUID) -> dict[UUID, str]:
    rows = Telling.objects.filter(proposal=proposal_id, kind=Kind.NOBODY_CAN_DECIDE)
    return dict(rows.values_list("person", "text"))


def test_a81_a_proposal_that_nobody_can_decide_is_told_at_once(world: World) -> None:
    leads = [factories.person(roles=[role]) for role in ("lead", "user_admin")]
    User.objects.filter(person=world.people["bob"].id).update(is_active=False)
    proposal_id = world.in_review()
    found = told(proposal_id)
    assert set(found) == {someone.id for someone in leads}
    text = found[leads[0].id]
    assert "a service owner" in text
    eve = world.people["eve"].user.username
    assert f"{eve}: made a token of the agent" in text


def test_a81_whoever_administers_people_learns_nothing_of_the_incident(world: World) -> None:
    """A81: he is to give a right. The pages show him neither plan nor incident, so no mail does."""
    lead, admin = (factories.person(roles=[role]) for role in ("lead", "user_admin"))
    User.objects.filter(person=world.people["bob"].id).update(is_active=False)
    proposal_id = world.in_review()
    rows = Telling.objects.filter(proposal=proposal_id, kind=Kind.NOBODY_CAN_DECIDE)
    with acts("hitl_worker"):
        said = {row.person: compose(row) for row in rows}
    seen, unseen = said[lead.id], said[admin.id]
    title = world.get(proposal_id).incident.title
    assert title in seen.body and "t1" in seen.subject  # control
    for secret in (title, "t1", "production", "Risk"):
        assert secret not in unseen.subject + unseen.body
    assert "a service owner" in unseen.body and str(proposal_id) in unseen.body


def test_a81_an_owner_without_a_key_in_the_approvers_file_does_not_count_as_one(
    world: World,
) -> None:
    lead = factories.person(roles=["lead"])
    world.approve_keys_of("alice")
    text = told(world.in_review())[lead.id]
    assert f"{world.people['bob'].user.username}: has no key" in text


def test_who_can_decide_is_told_to_nobody(world: World) -> None:
    factories.person(roles=["lead"])
    assert told(world.in_review()) == {}


def test_recorded_facts_are_tried_under_another_version_of_policy(world: World) -> None:
    shared_by_two_teams(world, payment_path=True)
    proposal_id = world.in_review()
    first, present = StringIO(), StringIO()
    with acts(WEB):
        call_command("policy_try", "--version-of-policy", "1", stdout=first)
        call_command("policy_try", stdout=present)
    assert f"proposal {proposal_id}, round 1: looser" in first.getvalue()
    assert "owner of billing, owner of orders -> security, service_owner" in first.getvalue()
    assert present.getvalue() == "0 of 1 assessments would differ under version 2\n"
