"""Plans of people: for an incident without a plan, or from a proposal that ended."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.services.reporting import make_plan, submit, withdraw
from tests import factories, stepup
from tests.factories import WEB
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db
WHY = "The agent gave no plan, and the key is in use."


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def reported(world: World) -> UUID:
    """Return an incident for which the agent gave no plan."""
    report = world.report()
    without = type(report)(report.incident, report.evidence, report.diagnosis, None, "")
    with acts(WEB), transaction.atomic():
        return submit.report(without, actor=world.agent).incident_id


def plan(world: World, name: str, incident_id: UUID, follows: UUID | None = None) -> UUID:
    with acts(WEB):
        return make_plan.make(
            actor=world.people[name].user,
            incident_id=incident_id,
            plan=world.plan(),
            rationale=WHY,
            follows=follows,
        )


def suspend(world: World) -> None:
    agent = m.Agent.objects.get(pk=world.agent.agent_id)
    factories.agent_version(agent, world.people["dave"], enabled=False)


def test_a_person_plans_for_an_incident_without_a_proposal(world: World) -> None:
    incident = reported(world)
    made = world.get(plan(world, "alice", incident))
    alice = world.people["alice"]
    assert (made.planner, made.editor) == (alice.id, alice.id)
    assert (made.agent_id, made.token_id) == (world.agent.agent_id, world.agent.token_id)
    assert made.diagnosis == m.Diagnosis.objects.get(incident=incident)
    said = Entry.objects.get(pk=made.entry).data
    assert (said["action"], said["actor"]) == ("person:proposal:submitted", alice.actor)
    assert said["data"]["planner"] == str(alice.id)
    assert m.OutboxMessage.objects.get(proposal=made).kind == "assess"


def test_a11_the_planner_cannot_decide_and_others_can(world: World) -> None:
    new = plan(world, "alice", reported(world))
    world.assess(new)
    with pytest.raises(errors.Separation, match="edited the plan"):
        world.decide("alice", new)
    world.decide("mallory", new)
    world.decide("bob", new)
    assert world.state_of(new) == "approved"


def test_a11_the_control_an_agents_proposal_alice_may_decide(world: World) -> None:
    world.decide("alice", world.in_review())


@pytest.mark.parametrize("name", ["dave", "eve"])
def test_a12_the_agents_people_cannot_decide_a_persons_plan(world: World, name: str) -> None:
    new = plan(world, "alice", reported(world))
    world.assess(new)
    with pytest.raises(errors.Separation, match="agent"):
        world.decide(name, new)


def test_a_suspended_agent_does_not_keep_people_from_planning(world: World) -> None:
    incident = reported(world)
    suspend(world)
    new = plan(world, "alice", incident)
    world.assess(new)
    world.approve_keys_of("mallory", "bob")
    world.decide("mallory", new)
    world.decide("bob", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded" and world.state() == "off"


def test_a16_the_control_a_suspended_agents_own_proposal_cannot_be_approved(world: World) -> None:
    new = world.in_review()
    suspend(world)
    with pytest.raises(errors.AgentDisabled):
        world.decide("alice", new)


def test_the_planner_must_keep_a_role_until_it_ran(world: World) -> None:
    new = plan(world, "alice", reported(world))
    world.assess(new)
    world.approve_keys_of("mallory", "bob")
    world.decide("mallory", new)
    world.people["alice"].user.groups.clear()
    with pytest.raises(errors.ProposerLost):
        world.decide("bob", new)


def test_it_rests_on_the_newest_diagnosis(world: World) -> None:
    incident = m.Incident.objects.get(pk=reported(world))
    newest = factories.diagnosis(incident, "t1", "other")
    assert world.get(plan(world, "alice", incident.pk)).diagnosis_id == newest.pk


def test_it_begins_with_an_ended_proposal_whose_editors_stay_excluded(world: World) -> None:
    first = plan(world, "alice", reported(world))
    world.assess(first)
    world.decide("bob", first, "return")
    world.settle(first)
    incident = world.get(first).incident_id
    new = plan(world, "mallory", incident, follows=first)
    assert world.get(new).supersedes_id == first
    world.assess(new)
    with pytest.raises(errors.Separation, match="edited the plan"):
        world.decide("alice", new)
    with pytest.raises(errors.WrongState, match="still open"):
        plan(world, "bob", incident, follows=first)


def test_it_cannot_begin_with_an_open_proposal_or_one_of_another_incident(world: World) -> None:
    first = world.in_review()
    with pytest.raises(errors.WrongState):
        plan(world, "alice", world.get(first).incident_id, follows=first)
    with pytest.raises(errors.NoSuchObject):
        plan(world, "alice", world.get(first).incident_id, follows=factories.proposal("x").pk)


def test_the_same_open_plan_is_not_made_twice(world: World) -> None:
    incident = reported(world)
    assert plan(world, "alice", incident) == plan(world, "alice", incident)


def test_a34_the_open_plans_of_one_person_are_bounded(world: World) -> None:
    made = [plan(world, "alice", reported_of(f"b{n}")) for n in range(10)]
    with pytest.raises(errors.TooManyPlans):
        plan(world, "alice", reported(world))
    plan(world, "mallory", reported(world))  # others have their own
    factories.move(world.get(made[0]), "withdrawn", login=WEB, actor=world.people["alice"].actor)
    plan(world, "alice", m.Incident.objects.latest("recorded_at").pk)


def reported_of(name: str) -> UUID:
    agent = factories.agent()
    factories.token(agent)
    made = factories.incident(agent, f"test.target:{name}")
    factories.diagnosis(made, name)
    return made.pk


def test_only_approvers_and_leads_plan_and_only_what_they_may_see(world: World) -> None:
    incident = reported(world)
    for roles in (["auditor"], ["user_admin"]):
        world.people["other"] = factories.person(roles=roles)
        with pytest.raises((errors.NotEntitled, errors.NoSuchObject)):
            plan(world, "other", incident)
    seen = world.in_review()
    world.people["stranger"] = factories.person(roles=["service_owner"])
    with pytest.raises(errors.NoSuchObject):
        plan(world, "stranger", world.get(seen).incident_id)


def test_nobody_plans_for_a_closed_incident(world: World) -> None:
    incident = m.Incident.objects.get(pk=reported(world))
    factories.incident_move(
        incident,
        "closed",
        login=WEB,
        actor=world.people["bob"].actor,
        outcome="accepted",
        reason="It is known.",
    )
    with pytest.raises(errors.WrongState, match="closed"):
        plan(world, "alice", incident.pk)


def test_a12_the_agent_neither_withdraws_nor_supersedes_a_persons_plan(world: World) -> None:
    new = plan(world, "alice", reported(world))
    with acts(WEB), transaction.atomic(), pytest.raises(errors.NoSuchObject):
        withdraw.withdraw(actor=world.agent, proposal_id=new, reason="mine")
    # A report with the same plan is the agent's own proposal, beside the person's.
    assert world.submit() != new


def test_a_correction_of_a_persons_plan_keeps_the_planner(world: World) -> None:
    from remediation.services.reporting import correct

    new = plan(world, "alice", reported(world))
    world.assess(new)
    suspend(world)
    with acts(WEB):
        made = stepup.correct(
            world.people["mallory"],
            new,
            correct.Correction("It is misused from outside.", 80, {}),
            "The summary was too short.",
        )
    found = world.get(made)
    assert (found.planner, found.editor) == (world.people["alice"].id, world.people["mallory"].id)
    world.assess(made)
    for name in ("alice", "mallory"):
        with pytest.raises(errors.Separation):
            world.decide(name, made)
