"""The projections let a person see and decide exactly what the facts allow (A12, A13)."""

from __future__ import annotations

from uuid import UUID

import pytest

from remediation import models as m
from remediation.services.access import slots as seats
from remediation.services.access import visibility
from tests import factories
from tests.factories import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def proposals() -> list[m.Proposal]:
    """Make proposals with known and unknown services, in every state of a round, and ended ones."""
    made = [factories.proposal_at("in_review", slots=("any", "security")) for _ in range(3)]
    made += [
        factories.proposal_at("in_review", in_inventory=False, slots=("service_owner",)),
        factories.proposal_at("in_review", "shared-a", "shared-b"),
        factories.proposal(),
        factories.proposal(in_inventory=False),
        factories.proposal_at("approved"),
        factories.proposal_at("withdrawn"),
        factories.proposal_at("succeeded"),
    ]
    factories.review(made[0], factories.person(roles=["security"]), slot="security")
    return made


def people(proposals: list[m.Proposal]) -> dict[str, Person]:
    """Make people with every combination of role and right that the rules distinguish."""
    services = list(m.Service.objects.order_by("pk"))
    made = {role: factories.person(roles=[role]) for role in ("security", "service_owner", "lead")}
    made["auditor"] = factories.person(roles=["auditor"])
    made["nobody"] = factories.person()
    made["without a role"] = factories.person()
    made["who left"] = factories.person(roles=["security", "lead"], active=False)
    made["superuser"] = factories.person()
    m.User.objects.filter(pk=made["superuser"].user.pk).update(is_superuser=True)
    made["viewer"] = factories.person(roles=["inventory_editor"])
    made["reviewer of some"] = factories.person(roles=["security"])
    made["reviewer of all"] = factories.person(roles=["security", "service_owner"])
    for service in services:
        factories.grant(made["reviewer of all"].user, "review_service", service)
        factories.grant(made["without a role"].user, "review_service", service)
    for service in services[:2]:
        factories.grant(made["viewer"].user, "view_service", service)
        factories.grant(made["reviewer of some"].user, "review_service", service)
    agent = proposals[0].agent
    made["owner of an agent"] = factories.person(roles=["security", "service_owner"])
    factories.agent_version(agent, made["owner of an agent"])
    made["who made a token"] = factories.person(roles=["security"])
    factories.token(proposals[1].agent, made["who made a token"])
    for name in ("owner of an agent", "who made a token"):
        for service in services:
            factories.grant(made[name].user, "review_service", service)
    for someone in made.values():
        someone.user.refresh_from_db()
    return made


def test_the_queue_shows_each_person_what_the_facts_allow(proposals: list[m.Proposal]) -> None:
    seen = {}
    for name, someone in people(proposals).items():
        facts = set(visibility.visible_proposals(someone.user).values_list("pk", flat=True))
        assert (
            set(
                visibility.visible_queue(seats.rights_of(someone.user)).values_list("pk", flat=True)
            )
            == facts
        )
        seen[name] = len(facts)
    assert seen["lead"] == seen["auditor"] == len(proposals)
    assert seen["nobody"] == seen["without a role"] == seen["superuser"] == seen["who left"] == 0
    assert 0 < seen["viewer"] < seen["reviewer of some"] < len(proposals)


def test_incidents_are_listed_for_the_people_whom_the_facts_allow(
    proposals: list[m.Proposal],
) -> None:
    factories.incident(proposals[0].agent, "test.target:alone")
    for someone in people(proposals).values():
        facts = set(visibility.visible_incidents(someone.user).values_list("pk", flat=True))
        listed = visibility.visible_incident_entries(seats.rights_of(someone.user))
        assert set(listed.values_list("pk", flat=True)) == facts


def exactly(user: m.User) -> set[UUID]:
    """Apply the rule for one proposal to all proposals."""
    return {
        proposal.pk for proposal in m.Proposal.objects.all() if seats.open_slots_for(user, proposal)
    }


def test_every_person_who_may_decide_is_found(proposals: list[m.Proposal]) -> None:
    decided = {}
    for name, someone in people(proposals).items():
        mine = exactly(someone.user)
        perhaps = seats.perhaps_mine(seats.rights_of(someone.user))
        found = set() if perhaps is None else set(
            m.QueueEntry.objects.filter(perhaps).values_list("pk", flat=True)
        )  # fmt: skip
        assert mine <= found, name
        decided[name] = len(mine)
    assert decided["reviewer of all"] > decided["owner of an agent"] > 0
    assert decided["reviewer of all"] > decided["who made a token"] > 0
    assert decided["nobody"] == decided["without a role"] == decided["who left"] == 0


def test_the_rule_for_many_proposals_equals_the_rule_for_one(proposals: list[m.Proposal]) -> None:
    everything = list(m.Proposal.objects.all())
    for name, someone in people(proposals).items():
        together = seats.open_slots_of(seats.rights_of(someone.user), everything)
        alone = {
            proposal.pk: slots
            for proposal in everything
            if (slots := seats.open_slots_for(someone.user, proposal))
        }
        assert together == alone, name
