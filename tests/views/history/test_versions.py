"""Differences between versions on the page: whole, inert, and nothing that one may not see."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from remediation import models as m
from remediation.domain import plan as plans
from remediation.domain import report
from remediation.services.actors import PersonActor
from remediation.services.reporting import supersede as edits
from remediation.services.reporting import withdraw
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.views.conftest import Browser, BrowserOf, text_of


@pytest.fixture
def bob(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["bob"])


def plain(page: str) -> str:
    """What a person reads: without tags, on one line."""
    main = page.split("<main")[1].split("</main>", maxsplit=1)[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def plan(*notes: tuple[str, str]) -> plans.Plan:
    steps: list[Any] = [
        {
            "action": "test.noop",
            "target": {"kind": "test.target", "name": name},
            "parameters": {"note": note},
        }
        for name, note in notes
    ]
    return plans.parse(
        {"version": 1, "environment": "production", "steps": steps},
        protected=frozenset(),
        allow_test=True,
    )


def supersede(world: World, proposal_id: UUID, new: plans.Plan, rationale: str) -> UUID:
    with acts(WEB), transaction.atomic():
        return edits.supersede(
            actor=world.agent, proposal_id=proposal_id, plan=new, rationale=rationale, reason="x"
        )


def test_a07_a_plan_that_was_replaced_is_compared_step_by_step(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    new = supersede(world, proposal_id, plan(("t1", "from a quiet test"), ("t2", "")), "Stop both.")
    page = text_of(bob.get("proposal_changes", new))
    words = plain(page)
    assert "Compared with the proposal that it supersedes" in words
    assert "changed parameters / note from a test from a quiet test" in words
    assert re.search(r"added Step 2 test.noop on .*t2", words)
    assert str(proposal_id) in words
    assert "<ins>both</ins>" in page and "<del>it</del>" in page


def test_a_claim_that_changed_is_shown_whole_with_what_it_cites(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    """Another version of the diagnosis, and a proposal that rests on it."""
    body = json.loads(bytes(m.Proposal.objects.get(pk=proposal_id).diagnosis.body))
    body["claims"][0]["text"] = "t1 is not misused"
    body["claims"][0]["citations"][0]["pointer"] = "/seen"
    body["confidence"] = 20
    new = on_diagnosis(world, proposal_id, body)
    page = text_of(bob.get("proposal_changes", new))
    words = plain(page)
    assert re.search(r"changed Claim 1 .* t1 is not misused", words)
    assert "/seen" in words and "/target" in words
    assert "changed confidence 90 20" in words
    assert "the same bytes" in words  # the plan


def on_diagnosis(world: World, proposal_id: UUID, body: dict[str, Any]) -> UUID:
    old = m.Proposal.objects.get(pk=proposal_id)
    made = report.parse_diagnosis(body, allow_test=True)
    factories.move(old, "superseded", login=WEB, actor=old.agent.actor)
    with factories.acting(WEB):
        diagnosis = m.Diagnosis.objects.create(
            incident=old.incident,
            version=2,
            body=made.body,
            digest=made.digest,
            agent=old.agent,
            entry=factories.entry(
                "agent:report:submitted", old.agent.actor, f"incident:{old.incident_id}"
            ),
        )
    return factories.insert_proposal(
        world.plan(), diagnosis=diagnosis, agent=old.agent, token=old.token, supersedes=old
    ).pk


def test_between_rounds_everything_that_moved_is_named(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    world.decide("alice", proposal_id)
    service = m.Service.objects.get()
    factories.service_version(service, environment="production", payment_path=True)
    world.set_state("t1", "off")
    world.assess(proposal_id, reason="drift")
    words = plain(text_of(bob.get("proposal_changes", proposal_id)))
    assert "Round 1 to round 2" in words
    assert ": drift ." in words and "1 review of the previous round no longer counts" in words
    assert f"services / {service.name} via test.target:t1 / payment_path false true" in words
    assert re.search(r"Pin changed .*state on off", words)
    assert re.search(r"Ruling changed", words)


def test_a_round_in_which_nothing_moved_says_so(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    world.assess(proposal_id, reason="asked")
    page = plain(text_of(bob.get("proposal_changes", proposal_id)))
    assert "Unchanged: Scope Checks Ruling Pin What the worker read" in page


def test_a02_a_value_of_ten_thousand_characters_is_shown_whole(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    long = "x" * 9_999 + "!"
    new = supersede(world, proposal_id, plan(("t1", long)), "")
    assert long in text_of(bob.get("proposal_changes", new))


def test_a01_agents_text_is_inert_in_a_difference(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    new = supersede(
        world, proposal_id, plan(("t1", "from a test")), "<script>alert(1)</script>\u202egnp.exe"
    )
    page = text_of(bob.get("proposal_changes", new))
    assert "<script>alert" not in page
    assert "⟨U+202E⟩" in page
    assert "&lt;" in page


def test_nothing_is_compared_with_what_one_may_not_see(
    world: World, proposal_id: UUID, browser_of: BrowserOf, bob: Browser
) -> None:
    """Of another incident, or of a service that is not one's own: as good as none."""
    elsewhere = factories.proposal("elsewhere")
    page = text_of(bob.get("proposal_changes", proposal_id, **{"from": str(elsewhere.pk)}))
    assert "elsewhere" not in page and str(elsewhere.pk) not in page
    stranger = browser_of(factories.person(roles=["security"]))
    assert stranger.get("proposal_changes", proposal_id).status_code == 404
    assert bob.get("proposal_changes", proposal_id, **{"from": "' OR 1=1"}).status_code == 200


def test_any_other_proposal_of_the_incident_can_be_compared(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    with acts(WEB), transaction.atomic():
        withdraw.withdraw(actor=world.agent, proposal_id=proposal_id, reason="")
    again = world.submit()
    page = plain(text_of(bob.get("proposal_changes", again)))
    assert "It supersedes no other proposal" in page
    page = plain(text_of(bob.get("proposal_changes", again, **{"from": str(proposal_id)})))
    assert "Compared with another proposal of the incident" in page
    assert "the same bytes" in page and "Step 1" not in page


def test_a_persons_edit_is_compared_like_an_agents(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    mallory = world.people["mallory"]
    with acts(WEB), transaction.atomic():
        new = edits.supersede(
            actor=PersonActor(mallory.id, mallory.user.pk),
            proposal_id=proposal_id,
            plan=plan(("t1", "edited")),
            rationale="Less.",
            reason="x",
        )
    assert "from a test edited" in plain(text_of(bob.get("proposal_changes", new)))


def test_bytes_that_cannot_be_read_are_said_to_be(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    world.assess(proposal_id, reason="drift")
    with factories.unguarded("remediation_assessment"):
        m.Assessment._base_manager.filter(round=1).update(scope=b"\xff")
    answer = bob.get("proposal_changes", proposal_id)
    assert answer.status_code == 200
    assert "The stored bytes cannot be read." in plain(text_of(answer))
