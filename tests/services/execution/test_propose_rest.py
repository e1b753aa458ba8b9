"""Proposing the rest of a stopped run: what was not confirmed, as a proposal that others decide."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.services.execution import propose_rest
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.services.execution.test_reverse_run import DONE, actions, stopped, succeeded

pytestmark = pytest.mark.django_db
WHY = "The two roles that are left are as dangerous."
ROLES = {"seen": True, "unseen": True, "never": True}


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def half_done(world: World) -> m.Proposal:
    return stopped(world, ROLES, {"seen": DONE, "unseen": ["applied"]})


def rest(world: World, name: str, proposal_id: UUID, reason: str = WHY) -> UUID:
    with acts(WEB):
        return propose_rest.propose(
            actor=world.people[name].user, proposal_id=proposal_id, reason=reason
        )


def test_the_rest_holds_the_steps_that_were_not_confirmed(world: World) -> None:
    old = half_done(world)
    new = rest(world, "alice", old.pk)
    assert actions(new) == [
        ("postgres.role.disable", "unseen"), ("postgres.role.disable", "never"),
    ]  # fmt: skip
    made = m.Proposal.objects.get(pk=new)
    assert (made.state, made.incident_id) == ("submitted", old.incident_id)
    assert (made.editor, made.supersedes_id) == (world.people["alice"].id, old.pk)
    assert WHY in made.rationale and str(old.pk) in made.rationale
    said = Entry.objects.get(pk=made.entry).data
    assert said["action"] == "person:proposal:submitted"
    assert said["actor"] == world.people["alice"].actor
    # The stopped run stays as it is, and nothing of it is undone.
    assert world.state_of(old.pk) == "stopped" and world.calls() == []


def test_a11_the_proposer_of_the_rest_cannot_decide_on_it_and_others_can(world: World) -> None:
    new = rest(world, "alice", half_done(world).pk)
    world.assess(new)
    with pytest.raises(errors.Separation, match="edited the plan"):
        world.decide("alice", new)
    world.decide("mallory", new)
    world.decide("bob", new)
    assert world.state_of(new) == "approved"


def test_one_rest_waits_at_a_time_and_a_new_one_follows_it(world: World) -> None:
    old = half_done(world)
    first = rest(world, "alice", old.pk)
    assert rest(world, "bob", old.pk) == first
    factories.move(m.Proposal.objects.get(pk=first), "withdrawn", login=WEB, actor=old.agent.actor)
    second = rest(world, "bob", old.pk)
    assert m.Proposal.objects.get(pk=second).supersedes_id == first


def test_only_a_stopped_run_has_a_rest(world: World) -> None:
    done = succeeded(world, {"a": True})
    with pytest.raises(errors.WrongState, match="no step of this run"):
        rest(world, "alice", done.pk)


def test_the_rest_of_a_suspended_agents_run_is_a_plan_of_the_person(world: World) -> None:
    """The gate then asks for the person's role instead of the agent."""
    old = half_done(world)
    factories.agent_version(old.agent, world.people["dave"], enabled=False)
    new = m.Proposal.objects.get(pk=rest(world, "alice", old.pk))
    assert (new.planner, new.supersedes_id) == (world.people["alice"].id, old.pk)
    world.assess(new.pk)
    world.decide("mallory", new.pk)
    world.decide("bob", new.pk)
    assert world.state_of(new.pk) == "approved"


@pytest.mark.parametrize(
    ("name", "refusal"), [("dave", errors.Separation), ("eve", errors.Separation)]
)
def test_a12_who_may_not_halt_proposes_no_rest(
    world: World, name: str, refusal: type[errors.Refused]
) -> None:
    with pytest.raises(refusal):
        rest(world, name, half_done(world).pk)


def test_a_rest_needs_a_reason(world: World) -> None:
    with pytest.raises(errors.ReasonRequired):
        rest(world, "alice", half_done(world).pk, "because")
