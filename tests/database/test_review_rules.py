"""Reviews and counts that the guards allow: the counterpart of the attacks."""

from __future__ import annotations

import pytest
from django.db import transaction

from remediation import models as m
from tests import factories
from tests.database.attack import refused
from tests.factories import Person

pytestmark = pytest.mark.django_db


def security() -> Person:
    return factories.person(roles=["security"])


@pytest.mark.parametrize("decision", ["reject", "return"])
def test_an_entitled_person_may_dissent_when_the_slot_is_filled(decision: str) -> None:
    proposal = factories.proposal_at("in_review", slots=["security", "service_owner"])
    factories.review(proposal, security(), slot="security")
    factories.review(proposal, security(), decision, slot="security")
    message = m.OutboxMessage.objects.get(proposal=proposal, kind="settle")
    assert message.round == proposal.round


def test_a_dissent_wakes_the_worker_and_moves_nothing() -> None:
    proposal = factories.proposal_at("in_review")
    factories.review(proposal, security(), "reject")
    proposal.refresh_from_db()
    assert proposal.state == "in_review"
    assert m.OutboxMessage.objects.filter(proposal=proposal, kind="settle").count() == 1


def test_an_approval_wakes_the_worker_once() -> None:
    proposal = factories.proposal_at("approved")
    kinds = m.OutboxMessage.objects.filter(proposal=proposal).values_list("kind", flat=True)
    assert sorted(kinds) == ["assess", "execute"]


def test_a_new_round_starts_without_reviews_and_everybody_may_decide_again() -> None:
    proposal, alice = factories.proposal_at("in_review"), security()
    factories.review(proposal, alice)
    factories.assess(proposal, slots=["any"])
    with refused("quorum_not_met"), transaction.atomic():
        factories.move(proposal, "approved", login=factories.WEB, actor=alice.actor)
    factories.approve(proposal, alice)
    assert (proposal.state, proposal.round) == ("approved", 2)


def test_a_person_with_both_roles_fills_one_slot() -> None:
    both = factories.person(roles=["security", "service_owner"])
    proposal = factories.proposal_at("in_review", slots=["security", "service_owner"])
    factories.review(proposal, both, slot="service_owner")
    with refused("review_one_for_each_person"), transaction.atomic():
        factories.review(proposal, both, slot="security")


def test_every_transition_records_its_round() -> None:
    proposal = factories.proposal_at("approved")
    rounds = proposal.transitions.order_by("id").values_list("to_state", "round")
    assert list(rounds) == [("in_review", 1), ("approved", 1)]
