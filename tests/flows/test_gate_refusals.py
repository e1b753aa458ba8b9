"""Changes between approval and execution: a named refusal, and no call at the target."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.core import mail
from django.db import transaction
from guardian.models import UserObjectPermission

from remediation import models as m
from remediation.domain import errors
from remediation.domain.gate.steps import people
from remediation.services.actors import PersonActor
from remediation.services.reporting import supersede
from tests import factories
from tests.factories import WEB, WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.world import World, acts


def refused(world: World, proposal_id: UUID, reason: str, state: str) -> None:
    world.execute(proposal_id)
    assert world.calls() == []
    assert world.state_of(proposal_id) == state
    assert world.refusals(proposal_id)[-1] == reason


def test_a31_a_target_that_changed_goes_back_to_review_and_voids_the_reviews(world: World) -> None:
    proposal_id = world.approved()
    world.set_state("t1", "off")
    refused(world, proposal_id, "drift", "in_review")
    assert world.get(proposal_id).round == 2
    # The reviews of round 1 no longer count.
    world.decide("alice", proposal_id)
    assert world.state_of(proposal_id) == "in_review"


def test_a31_a_target_that_is_gone_is_not_executed(world: World) -> None:
    proposal_id = world.approved()
    world.set_state("t1", None)
    refused(world, proposal_id, "target_gone", "in_review")


def test_a31_a_target_that_cannot_be_seen_stays_approved_and_is_recorded_once(
    world: World,
) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unobservable": True}})
    refused(world, proposal_id, "target_unobservable", "approved")
    world.execute(proposal_id)
    assert world.refusals(proposal_id) == ["target_unobservable"]
    world.inject({})
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_a32_a_freeze_after_dispatch_stops_the_run_until_it_is_lifted(world: World) -> None:
    proposal_id = world.approved()
    freeze(True)
    refused(world, proposal_id, "frozen", "approved")
    freeze(False)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def freeze(frozen: bool) -> None:
    with factories.acting(WORKER):
        m.Freeze.objects.create(
            frozen=frozen,
            reason="a test",
            actor="operator:test@test",
            entry=factories.entry("operator:freeze:set", "operator:test@test", "portal:freeze"),
        )


def test_a32_policy_that_asks_for_more_since_then_refuses(make_world: MakeWorld) -> None:
    world = make_world(environment="development")
    factories.settle_inventory()
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, slot="any")
    assert world.state_of(proposal_id) == "approved"
    service = m.Service.objects.get()
    factories.service_version(service, environment="production", payment_path=True)
    refused(world, proposal_id, "ruling_tightened", "in_review")
    assert m.Assessment.objects.latest("id").slots == ["security", "service_owner:1"]


@pytest.mark.parametrize("change", ["deactivated", "lost_the_group", "lost_the_service"])
def test_a16_a_reviewer_who_is_lost_between_approval_and_execution(
    world: World, change: str
) -> None:
    proposal_id = world.approved()
    bob = world.people["bob"].user
    if change == "deactivated":
        bob.is_active = False
        bob.save()
    elif change == "lost_the_group":
        bob.groups.clear()
    else:
        UserObjectPermission.objects.filter(user=bob).delete()
    refused(world, proposal_id, "reviewer_lost", "in_review")


def test_a16_an_agent_that_is_suspended_is_refused_for_good(world: World) -> None:
    proposal_id = world.approved()
    row = m.Agent.objects.get(pk=world.agent.agent_id)
    factories.agent_version(row, world.people["dave"], enabled=False)
    refused(world, proposal_id, "agent_disabled", "refused")


def test_a43_signed_by_keys_that_only_the_database_knows(world: World) -> None:
    proposal_id = world.approved()
    world.approve_keys_of("alice")
    refused(world, proposal_id, "unknown_approver_key", "in_review")
    # The round is void, including alice's valid approval; old reviews do not count.
    assert world.get(proposal_id).round == 2
    world.execute(proposal_id)
    assert world.calls() == []


def test_a_review_by_a_key_outside_the_file_opens_a_new_round_and_notifies_the_lead(
    world: World,
) -> None:
    """mallory has the role, but her key is not in the file. Others can still decide."""
    lena = factories.person(roles=["lead"])
    proposal_id = world.in_review()
    world.decide("mallory", proposal_id)
    world.decide("bob", proposal_id)
    assert world.state_of(proposal_id) == "approved"
    refused(world, proposal_id, "unknown_approver_key", "in_review")
    world.deliver()
    told = [message for message in mail.outbox if "does not count" in message.subject]
    assert [message.to for message in told] == [[lena.user.email]]
    # Every attempt only opens another round, until the deadline.
    world.decide("mallory", proposal_id)
    world.decide("bob", proposal_id)
    refused(world, proposal_id, "unknown_approver_key", "in_review")
    first, *_, last = m.Assessment.objects.filter(proposal_id=proposal_id).order_by("round")
    assert last.decide_by <= first.decide_by
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert [call["call"] for call in world.calls()] == ["apply"]


def test_a_missing_approvers_file_stays_approved(world: World) -> None:
    proposal_id = world.approved()
    (world.directory / "approvers.json").unlink()
    refused(world, proposal_id, "policy_unavailable", "approved")


def test_an_approvers_file_that_others_can_write_approves_nothing(world: World) -> None:
    proposal_id = world.approved()
    (world.directory / "approvers.json").chmod(0o622)
    refused(world, proposal_id, "policy_unavailable", "approved")


def test_a30_a_run_whose_time_has_passed_expires(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reviews become older than their signed statements, which cannot be made older.
    monkeypatch.setattr(people, "LIFE", timedelta(hours=1))
    proposal_id = world.approved()
    approval = m.Transition.objects.get(proposal_id=proposal_id, to_state="approved")
    factories.backdate(approval, minutes=16)
    for row in m.Review.objects.all():
        factories.backdate(row, minutes=16)
    refused(world, proposal_id, "deadline", "expired")


def test_a42_a_target_that_another_worker_holds(world: World) -> None:
    proposal_id = world.approved()
    with factories.acting(WORKER):
        m.Lease.objects.create(
            target="test.target:t1", token=7, holder="another", until=factories.soon()
        )
    refused(world, proposal_id, "target_busy", "approved")


def test_a45_whoever_loosened_the_inventory_cannot_approve(world: World) -> None:
    service = m.Service.objects.get()
    mallory = world.people["mallory"]
    factories.service_version(service, environment="production", payment_path=True)
    factories.service_version(service, environment="development", author=mallory.actor)
    proposal_id = world.in_review()
    ruling = m.Assessment.objects.get(proposal_id=proposal_id)
    assert ruling.risk == "critical"
    with pytest.raises(errors.Separation, match="loosened"):
        world.decide("mallory", proposal_id)


@pytest.mark.parametrize("name", ["dave", "eve"])
def test_a11_the_agents_owner_and_whoever_made_its_token_are_refused(
    world: World, name: str
) -> None:
    proposal_id = world.in_review()
    with pytest.raises(errors.Separation):
        world.decide(name, proposal_id)
    assert not m.Review.objects.exists()


def test_a04_an_edit_after_one_approval_voids_it_and_the_old_digest_is_refused(
    world: World,
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    mallory = world.people["mallory"].user
    with acts(WEB), transaction.atomic():
        edited = supersede.supersede(
            actor=PersonActor(mallory.person, mallory.pk),
            proposal_id=proposal_id,
            plan=factories.plan("t1", environment="staging"),
            rationale="",
            reason="corrected",
        )
    assert world.state_of(proposal_id) == "superseded"
    with pytest.raises(errors.Conflict):
        world.decide("bob", proposal_id)
    world.assess(edited)
    world.decide("bob", edited)
    assert world.state_of(edited) == "in_review"
    # A07: the editor cannot approve what he edited.
    with pytest.raises(errors.Separation, match="edited the plan"):
        world.decide("mallory", edited)
    world.execute(edited)
    assert world.calls() == []
