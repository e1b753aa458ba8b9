"""An incident without a plan: a person plans, two others approve, the worker runs it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from django.db import transaction

from remediation import models as m
from remediation.services.reporting import make_plan, submit
from remediation.services.review.gather import gather
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts


@pytest.fixture
def incident_id(world: World) -> UUID:
    without = replace(world.report(), plan=None, rationale="")
    with acts(WEB), transaction.atomic():
        return submit.report(without, actor=world.agent).incident_id


def planned(world: World, name: str, incident_id: UUID) -> UUID:
    with acts(WEB):
        made = make_plan.make(
            actor=world.people[name].user,
            incident_id=incident_id,
            plan=world.plan(),
            rationale="The agent gave no plan, and the key is in use.",
        )
    world.assess(made)
    return made


def test_an_incident_without_a_plan_is_contained_by_a_persons_plan(
    world: World, incident_id: UUID
) -> None:
    """From the person's plan to the state of the target, with the logins of each process."""
    world.approve_keys_of("mallory", "bob")
    made = planned(world, "alice", incident_id)
    world.decide("mallory", made)
    assert world.state() == "on"
    world.decide("bob", made)
    world.execute(made)
    assert world.state_of(made) == "succeeded"
    assert world.state() == "off"
    assert [call["call"] for call in world.calls()] == ["apply"]
    newest = m.IncidentTransition.objects.filter(incident=incident_id).latest("pk")
    assert newest.to_state == "contained"


def test_a16_it_runs_while_the_agent_is_suspended_and_an_agents_proposal_does_not(
    world: World, incident_id: UUID
) -> None:
    """The control is the same approved plan of the agent: the gate refuses it."""
    world.approve_keys_of("alice", "mallory", "bob")
    agents = world.in_review()
    world.decide("alice", agents)
    world.decide("bob", agents)
    agent = m.Agent.objects.get(pk=world.agent.agent_id)
    factories.agent_version(agent, world.people["dave"], enabled=False)
    world.execute(agents)
    assert (world.state_of(agents), world.state()) == ("refused", "on")
    made = planned(world, "alice", incident_id)
    world.decide("mallory", made)
    world.decide("bob", made)
    world.execute(made)
    assert (world.state_of(made), world.state()) == ("succeeded", "off")


def test_the_gate_refuses_it_when_the_planner_lost_the_role(
    world: World, incident_id: UUID
) -> None:
    world.approve_keys_of("mallory", "bob")
    made = planned(world, "alice", incident_id)
    world.decide("mallory", made)
    world.decide("bob", made)
    world.people["alice"].user.groups.clear()
    world.execute(made)
    assert world.refusals(made) == ["proposer_lost"]
    assert (world.state_of(made), world.calls()) == ("refused", [])


def test_the_gates_evidence_names_the_planner(world: World, incident_id: UUID) -> None:
    proposal = world.get(planned(world, "alice", incident_id))
    plan = world.plan()
    found = gather(proposal, plan, observations={}, failures={})
    assert found.planner is not None
    assert found.planner.person == str(world.people["alice"].id)
    assert found.planner.roles == ("security",)
