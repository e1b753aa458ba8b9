"""The history of a proposal: every fact on record, in the order in which it was recorded."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from remediation import models as m
from remediation.domain import errors
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
        "Assessed, round 1: risk high, asks for security, service owner",
        "In review, round 1",
        "Approved as security, round 1",
        "Approved as service owner, round 1",
        "Approved",
        "Executing",
        "Step 1: intended",
        "Step 1: applied",
        "Step 1: verified",
        "Succeeded",
    ]


def test_every_fact_names_its_audit_entry(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("proposal_history", proposal_id))
    for row in m.Transition.objects.filter(proposal_id=proposal_id):
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
