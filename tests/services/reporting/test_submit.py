"""A report is searched and masked once, and its entries name the real proposer."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import Settings

from audit import log
from audit.models import Entry
from remediation import models as m
from remediation.domain import report
from remediation.domain.secrets import detector, masking
from remediation.services.actors import PersonActor
from remediation.services.reporting import submit, supersede
from tests import factories
from tests.emitted import WrongSource, asked
from tests.flows.world import World, acts
from tests.services.reporting.leaks import LEAK, PASSWORD, leaking

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def handed_in(world: World, given: report.Report) -> submit.Submitted:
    with acts("hitl_web"), transaction.atomic():
        return submit.report(given, actor=world.agent)


def test_a61_texts_are_masked_once_also_for_a_known_incident(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_in(world, leaking(world))
    calls: list[str] = []
    cover, look = masking.mask_texts, detector.look

    def covered(given: report.Report, known: Any) -> report.Report:
        calls.append("texts")
        return cover(given, known)

    def looked(content: bytes, exempt: Any = ()) -> Any:
        calls.append("artefact" if content == LEAK + b" " else "other")
        return look(content, exempt)

    monkeypatch.setattr(masking, "mask_texts", covered)
    monkeypatch.setattr(detector, "look", looked)
    again = leaking(world)
    held = replace(again.evidence[0], sha256=sha256(LEAK + b" ").hexdigest(), content=LEAK + b" ")
    handed_in(world, replace(again, evidence=(*again.evidence, held)))
    assert calls.count("texts") == 1
    assert calls.count("artefact") == 1


def test_a61_an_incident_is_found_by_an_external_name_that_quotes_a_secret(world: World) -> None:
    """The name is stored masked, so the look-up masks it too."""
    given = leaking(world)
    named = replace(given, incident=replace(given.incident, external_id=f"case {PASSWORD}"))
    first = handed_in(world, named)
    assert m.Incident.objects.get().external_id == "case [masked]"
    elsewhere = replace(named.incident, kind="misuse")
    second = handed_in(world, replace(named, incident=elsewhere))
    assert second.incident_id == first.incident_id
    assert not second.incident_is_new


def said_of(proposal_id: UUID) -> tuple[str, str]:
    rows = [entry.data for entry in Entry.objects.order_by("id")]
    (found,) = [
        (str(row["action"]), str(row["actor"]))
        for row in rows
        if row["object"] == f"proposal:{proposal_id}"
        and row["action"].endswith(":proposal:submitted")
    ]
    return found


def test_a_proposal_is_recorded_with_its_maker_as_actor(world: World) -> None:
    first = handed_in(world, world.report()).proposal_id
    assert first is not None
    assert said_of(first) == ("agent:proposal:submitted", world.agent.ref)
    alice = world.people["alice"].user
    person = PersonActor(alice.person, alice.pk)
    with acts("hitl_web"), transaction.atomic():
        edited = supersede.supersede(
            actor=person,
            proposal_id=first,
            plan=factories.plan("t1", environment="staging"),
            rationale="narrower",
            reason="narrower",
        )
    assert said_of(edited) == ("person:proposal:submitted", person.ref)


def test_an_entry_of_the_product_under_another_source_fails_the_test_that_makes_it(
    world: World,
) -> None:
    handed_in(world, world.report())
    assert ("agent:report:submitted", "agent") in asked
    product = compile(
        "log.append(action='agent:report:submitted', actor='person:x', object='y', data={})",
        "x",
        "exec",
    )
    with pytest.raises(WrongSource, match="person:x"):
        exec(product, {"log": log, "__name__": "remediation.services.x"})
