"""One entitled person can suspend a suspicious agent at once, on record."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.services.actors import PersonActor
from remediation.services.reporting import agents
from remediation.services.review import report_agent, sign
from remediation.services.review.old_page import Page
from tests import factories, stepup
from tests.factories import WEB
from tests.flows.world import YES, World, acts

pytestmark = pytest.mark.django_db

WHY = "It cites addresses that are in no log."


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def report(world: World, name: str, proposal_id: object, reason: str = WHY) -> m.Agent:
    someone = world.people[name]
    with acts(WEB):
        row = m.Proposal.objects.filter(pk=str(proposal_id)).first()
        return report_agent.report(
            actor=someone.user,
            proposal_id=proposal_id,  # type: ignore[arg-type]
            reason=reason,
            proof=row and stepup.proof(someone, report_agent.reporting(row, reason)),
        )


def test_a_reported_agent_is_suspended_and_its_proposals_cannot_be_approved(
    world: World,
) -> None:
    proposal_id = world.in_review()
    report(world, "alice", proposal_id)
    assert not report_agent.is_enabled(world.agent.agent_id)
    entry = Entry.objects.order_by("-id")[0].data
    assert entry["action"] == Event.PERSON_AGENT_REPORTED
    assert entry["actor"] == world.people["alice"].actor
    assert entry["data"]["reason"] == WHY
    with pytest.raises(errors.AgentDisabled):
        world.decide("bob", proposal_id)
    # Dissent stays possible: the incident has to be closed.
    world.decide("bob", proposal_id, "reject")


def test_a16_the_gate_refuses_what_was_approved_before(world: World) -> None:
    proposal_id = world.approved()
    report(world, "bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "refused"
    assert world.refusals(proposal_id)[-1] == "agent_disabled"


def test_only_an_agent_administrator_enables_it_again(world: World) -> None:
    proposal_id = world.in_review()
    report(world, "alice", proposal_id)
    alice = world.people["alice"]
    with pytest.raises(errors.NotEntitled):
        agents.change(
            actor=PersonActor(alice.id, alice.user.pk), agent_id=world.agent.agent_id, enabled=True
        )
    with pytest.raises(errors.WrongState):
        report(world, "bob", proposal_id)


def test_a_person_without_view_right_or_role_cannot_report(world: World) -> None:
    proposal_id = world.in_review()
    world.people["nobody"] = factories.person()
    world.people["carol"] = factories.person(roles=["auditor"])
    world.people["adam"] = factories.person(roles=["agent_admin"])
    for name, error in (
        ("nobody", errors.NoSuchObject),
        ("adam", errors.NoSuchObject),
        ("carol", errors.NotEntitled),
    ):
        with pytest.raises(error):
            report(world, name, proposal_id)
    with pytest.raises(errors.NoSuchObject):
        report(world, "alice", uuid4())
    assert report_agent.is_enabled(world.agent.agent_id)


@pytest.mark.parametrize("reason", ["", "too short", " " * 50, "x" * 4001])
def test_a_reason_is_needed(world: World, reason: str) -> None:
    proposal_id = world.in_review()
    with pytest.raises(errors.ReasonRequired):
        report(world, "alice", proposal_id, reason)
    assert report_agent.is_enabled(world.agent.agent_id)


def test_a52_control_characters_in_the_reason_are_visible_on_record(world: World) -> None:
    report(world, "alice", world.in_review(), "ten letters \x00\x1b[2J\u202e more")
    reason = Entry.objects.order_by("-id")[0].data["data"]["reason"]
    assert "⟨U+0000⟩" in reason and "\x1b" not in reason


def test_a_signature_begun_before_the_report_approves_nothing(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    bob, looked = world.people["bob"], world.conditions(proposal_id)
    with acts(WEB):
        started = sign.start(
            actor=bob.user,
            proposal_id=proposal_id,
            page=Page(1),
            decision="approve",
            verdicts=YES,
            reason={"code": "", "text": ""},
            slot="service_owner",
            opened=looked.artefacts,
            typed=looked.names,
        )
    report(world, "alice", proposal_id)
    with acts(WEB), pytest.raises(errors.AgentDisabled):
        sign.sign(
            actor=bob.user,
            session_id=started.session_id,
            assertion=world.assertion("bob", started),
        )
    assert world.state_of(proposal_id) == "in_review"
