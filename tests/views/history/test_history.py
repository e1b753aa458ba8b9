"""The history of a proposal: every fact on record, in the order in which it was recorded."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from remediation import models as m
from remediation.domain import errors
from remediation.views.cards import proposal_history
from tests import factories
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of


def titles(page: str) -> list[str]:
    return re.findall(r'<p class="what"><strong>(.*?)</strong>', page)


def test_a_whole_life_is_told_in_order(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    page = text_of(browser_of(world.people["alice"]).get("proposal_history", proposal_id))
    assert titles(page) == [
        "Submitted",
        "Assessed, round 1: risk high, needs security, service owner",
        "In review, round 1",
        "Approved as security, round 1",
        "Approved as service owner, round 1",
        "Approved",
        "Executing",
        "Step 1: intended",
        "Step 1: applied",
        "Step 1: verified",
        "Succeeded",
        "Notified of the result: succeeded",
    ]


def test_every_fact_names_its_audit_entry(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("proposal_history", proposal_id))
    for row in m.Transition.objects.filter(proposal_id=proposal_id).order_by("id"):
        assert f"entry {row.entry}" in page


def test_what_was_signed_can_be_read_byte_by_byte(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    page = text_of(browser_of(world.people["bob"]).get("proposal_history", proposal_id))
    statement = bytes(m.Review.objects.get().statement).decode()
    assert statement.replace('"', "&quot;") in page


def test_a_refused_attempt_stands_in_the_history(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    with pytest.raises(errors.Separation):
        world.decide("dave", proposal_id)
    browser_of(world.people["dave"]).send(
        "review_start",
        proposal_id,
        body={
            "decision": "approve",
            "verdicts": {"diagnosis": "yes", "scope": "yes", "action": "yes"},
            "reason": {"code": "", "text": ""},
            "slot": "security",
            "round": 1,
        },
    )
    page = text_of(browser_of(world.people["alice"]).get("proposal_history", proposal_id))
    assert "Refused: separation" in page
    assert world.people["dave"].user.username in page


def test_a_person_who_was_erased_stays_an_id(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    alice = world.people["alice"]
    with factories.unguarded("public.remediation_user"):
        m.User.objects.filter(pk=alice.user.pk).update(username="erased-1", person=UUID(int=1))
    page = text_of(browser_of(world.people["bob"]).get("proposal_history", proposal_id))
    assert f"person {alice.id}" in page


def test_a_result_a_halt_and_an_opened_review_stand_in_it(
    world: World, browser_of: BrowserOf
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    page = text_of(browser_of(world.people["bob"]).get("proposal_history", proposal_id))
    assert f"/proposals/{proposal_id}/reviews/1/" in page
    run = factories.execute(factories.proposal_at("approved", "h1", "h2"))
    said = "Wrong account."
    halt = factories.halt(run.proposal, factories.person(roles=["security"]), reason=said)
    carol = factories.person(roles=["auditor"])
    page = text_of(browser_of(carol).get("proposal_history", run.proposal.pk))
    assert "Halt signed; the worker has not verified it yet" in page
    factories.halt_verdict(halt)
    page = text_of(browser_of(carol).get("proposal_history", run.proposal.pk))
    assert "Halted between two steps" in page and "Wrong account." in page


def test_an_incident_is_told_whole_with_all_its_proposals(
    world: World, browser_of: BrowserOf
) -> None:
    first = world.in_review()
    world.decide("alice", first, "reject")
    world.settle(first)
    second = world.approved()
    world.execute(second)
    incident = m.Proposal.objects.get(pk=second).incident
    page = text_of(browser_of(world.people["bob"]).get("incident_history", incident.pk))
    assert titles(page) == [
        "Open",
        "Reported, with 1 new artefact",
        "Diagnosis, version 1",
        "Submitted",
        "Assessed, round 1: risk high, needs security, service owner",
        "In review, round 1",
        "Rejected as security, round 1",
        "Rejected",
        "Notified of the result: rejected",
        "Reported, with 0 new artefacts",
        "Submitted",
        "Assessed, round 1: risk high, needs security, service owner",
        "In review, round 1",
        "Approved as security, round 1",
        "Approved as service owner, round 1",
        "Approved",
        "Executing",
        "Step 1: intended",
        "Step 1: applied",
        "Step 1: verified",
        "Succeeded",
        "Contained",
        "Notified of the result: succeeded",
    ]
    for key in (first, second):
        assert f'href="/proposals/{key}/history/"' in page
        assert f'href="/proposals/{key}/reviews/1/"' in page


def test_more_proposals_do_not_mean_more_questions_to_the_database(db: None) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as questions:
            proposal_history.rows(*m.Proposal.objects.select_related("agent"))
        return len(questions)

    factories.proposal_at("succeeded")
    one = asked()
    for _ in range(3):
        factories.proposal_at("succeeded")
    assert asked() == one


def test_a_stranger_reads_no_incident(world: World, browser_of: BrowserOf) -> None:
    incident = m.Proposal.objects.get(pk=world.in_review()).incident
    stranger = browser_of(factories.person(roles=["security"]))
    assert stranger.get("incident_history", incident.pk).status_code == 404
