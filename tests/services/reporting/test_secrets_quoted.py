"""Secrets that other evidence, names or people's words repeat (A60, A61)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain import report
from remediation.domain.secrets import detector
from remediation.services.execution import halt
from remediation.services.reporting import secrets
from remediation.views.cards.diagnosis import diagnosis_card
from tests import stepup
from tests.flows.world import World, acts
from tests.services.reporting.leaks import (
    AWS,
    LEAK,
    PASSWORD,
    everything_but_blobs,
    handed_in,
    with_artefact,
)

pytestmark = pytest.mark.django_db


NAME, KEY_ID = "payments-deploy-2024", "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def world(db: None, tmp_path: Any, settings: Settings) -> World:
    return World(tmp_path, settings)


def outcomes(proposal_id: UUID) -> dict[str, str]:
    body = json.loads(bytes(m.Assessment.objects.get(proposal=proposal_id).checks))
    return {check["name"]: check["outcome"] for check in body["checks"]}


def cited_on_the_page(proposal: m.Proposal) -> set[str]:
    card = diagnosis_card(proposal)
    return {row.outcome for claim in card.claims for row in claim.citations}


def test_a60_a_log_that_gives_the_target_as_a_password_does_not_mask_it(
    db: None, tmp_path: Any, settings: Settings
) -> None:
    """Masking would hide the target and fail the citation that names it."""
    world = World(tmp_path, settings, (NAME,))
    service = m.Service.objects.get().name
    document = {
        "password": NAME,
        "userName": NAME,
        "passwd": service,
        "pwd": "AKIAIOSFODNN7EXAMPLE",
    }
    told = with_artefact(
        world.report(),
        document,
        ("/userName", NAME),
        ("/password", NAME),
        summary=f"{NAME} of {service} by {KEY_ID}",
    )
    proposal_id = handed_in(world, told)
    world.assess(proposal_id)
    kept = json.loads(bytes(m.Diagnosis.objects.get().body))
    assert kept["summary"] == f"{NAME} of {service} by {KEY_ID}"
    found = outcomes(proposal_id)
    assert found["citation_value_not_found"] == "pass"
    assert found["secret_in_evidence"] == "pass"
    assert cited_on_the_page(world.get(proposal_id)) == {"pass"}


def test_a61_a_name_that_only_the_agent_gives_is_not_exempt(world: World) -> None:
    """An agent uses the password as a target's name, but the inventory has no such target."""
    usual = with_artefact(world.report(), {"password": NAME}, summary=f"It is {NAME}")
    told = report.parse_diagnosis(
        {
            **json.loads(usual.diagnosis.body),
            "identity": {"kind": "test.target", "name": NAME},
        },
        allow_test=True,
    )
    handed_in(world, replace(usual, diagnosis=told))
    assert json.loads(bytes(m.Diagnosis.objects.get().body))["summary"] == "It is [masked]"


def test_a61_a_secret_known_from_other_evidence_is_masked_and_its_citation_holds(
    world: World,
) -> None:
    """One artefact has it in a password field, the other in plain text."""
    first = with_artefact(world.report(), {"password": PASSWORD}, ("/password", PASSWORD))
    message = f"started with -p{PASSWORD} by cron"
    told = with_artefact(first, {"argv": message}, ("/argv", message))
    proposal_id = handed_in(world, told)
    world.assess(proposal_id)
    assert PASSWORD.encode() not in everything_but_blobs()
    rows = list(m.Evidence.objects.all())
    assert all(PASSWORD.encode() not in shown for shown in secrets.masked(rows).values())
    assert outcomes(proposal_id)["citation_value_not_found"] == "pass"
    assert cited_on_the_page(world.get(proposal_id)) == {"pass"}
    # Later evidence is masked too.
    later = with_artefact(world.report(), {"note": message}, ("/note", message))
    handed_in(world, later)
    rows = list(m.Evidence.objects.all())
    assert all(PASSWORD.encode() not in shown for shown in secrets.masked(rows).values())


def test_a61_quotes_in_reasons_of_reviews_and_closings_are_masked(world: World) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    said = {"code": "evidence_missing", "text": f"Rotate {PASSWORD} first, and {AWS}."}
    world.decide("alice", proposal_id, "return", reason=said)
    with acts("hitl_web"):
        stepup.close(
            world.people["bob"],
            world.get(proposal_id).incident,
            "handled_outside",
            f"We rotated {PASSWORD} and {AWS}.",
        )
    kept = everything_but_blobs()
    assert PASSWORD.encode() not in kept and AWS.encode() not in kept
    assert b"Rotate [masked] first" in kept


def test_a61_a_quote_in_the_reason_of_a_halt_is_masked(world: World) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    proposal = world.get(proposal_id)
    assert halt.told(proposal, f"It uses {PASSWORD} everywhere.") == "It uses [masked] everywhere."


def test_a34_many_later_artefacts_do_not_delay_peoples_actions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent adds many artefacts with a secret each; searching them all would take minutes for
    every rejection, halt and correction, and for the reports of other agents."""
    proposal_id = handed_in(world)
    incident = world.get(proposal_id).incident
    monkeypatch.setattr(secrets, "MOST_BYTES", len(LEAK) + 100)
    for number in range(3):
        poured = {"password": f"{number}-Qz7!xYw9", "rest": "." * 50}
        handed_in(world, with_artefact(world.report(), poured, ("/rest", "." * 50)))
    looked: list[int] = []
    look = detector.look

    def counted(content: bytes, exempt: Any = ()) -> Any:
        looked.append(len(content))
        return look(content, exempt)

    monkeypatch.setattr(detector, "look", counted)
    known = secrets.known_values(incident)
    assert 0 < sum(looked) <= secrets.MOST_BYTES
    # Secrets of the first evidence are still known.
    assert {AWS, PASSWORD} <= known


def test_a83_known_values_are_read_where_they_were_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An artefact four times as long with the same secrets costs a person's request the same."""
    looked: list[int] = []
    look = detector.look

    def counted(content: bytes, exempt: Any = ()) -> Any:
        looked.append(len(content))
        return look(content, exempt)

    def cost(size: int) -> int:
        document = {"a": "- " * size, "password": f"{size}-Qz7!xYw9", "z": "- " * size}
        proposal_id = handed_in(world, with_artefact(world.report(), document, ("/a", "no")))
        looked.clear()
        with monkeypatch.context() as patched:
            patched.setattr(detector, "look", counted)
            assert f"{size}-Qz7!xYw9" in secrets.known_values(world.get(proposal_id).incident)
        return sum(looked)

    small = cost(10_000)
    assert cost(40_000) < 3 * small < 10_000


def test_a83_values_without_end_do_not_displace_the_first_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise every reason of a person would be masked as a whole, and so be refused."""
    proposal_id = handed_in(world)
    monkeypatch.setattr(secrets, "MOST_KNOWN", 200)
    handed_in(world, with_artefact(world.report(), {"password": "Qz7!xYw9" * 30}, ("/a", "no")))
    known = secrets.known_values(world.get(proposal_id).incident)
    assert known == {AWS, PASSWORD}
