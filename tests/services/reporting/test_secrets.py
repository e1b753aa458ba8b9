"""Secrets in evidence: recorded without their value and masked everywhere
(docs/attacks.md A61)."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import report
from remediation.domain.errors import BadValue
from remediation.domain.events import Event
from remediation.domain.secrets import detector
from remediation.services.access import record_refusal
from remediation.services.actors import operator
from remediation.services.execution import export_bundle
from remediation.services.reporting import secrets, supersede
from tests import factories
from tests.flows.world import World, acts
from tests.services.reporting.leaks import (
    AWS,
    LEAK,
    PASSWORD,
    everything_but_blobs,
    handed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Any, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def proposal(world: World) -> m.Proposal:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    return world.get(proposal_id)


# ---- what is kept -------------------------------------------------------------------------------


def test_a61_findings_are_on_record_without_their_value(proposal: m.Proposal) -> None:
    scan = m.EvidenceScan.objects.exclude(secrets=[]).get()
    assert scan.detector == detector.VERSION
    rules = {rule: LEAK[offset : offset + length] for offset, length, rule in scan.secrets}
    assert rules == {"aws_secret_key": AWS.encode(), "connection_string": PASSWORD.encode()}
    assert m.EvidenceScan.objects.count() == m.Evidence.objects.count()
    assert AWS not in json.dumps(scan.secrets)


def test_a61_only_the_erasable_table_holds_a_secret(proposal: m.Proposal) -> None:
    kept = everything_but_blobs()
    assert b"Leaked: [masked]" in kept
    assert b"Anyone with [masked]" in kept
    assert AWS.encode() not in kept
    assert PASSWORD.encode() not in kept
    assert bytes(m.EvidenceBlob.objects.get(pk=sha256(LEAK).hexdigest()).content) == LEAK


def test_a61_a_later_report_that_quotes_earlier_evidence_is_masked_too(world: World) -> None:
    handed_in(world)
    usual = world.report()
    told = report.parse_diagnosis(
        {
            "summary": f"It is the password {PASSWORD}",
            "identity": usual.diagnosis.identity.to_json(),
            "confidence": 90,
            "claims": [one.to_json() for one in usual.diagnosis.claims],
        },
        allow_test=True,
    )
    handed_in(world, replace(usual, diagnosis=told))
    assert m.Diagnosis.objects.count() == 2
    assert PASSWORD.encode() not in everything_but_blobs()


def test_a61_the_text_of_a_superseding_proposal_is_masked(world: World) -> None:
    proposal_id = handed_in(world)
    with acts("hitl_web"), transaction.atomic():
        new = supersede.supersede(
            actor=world.agent,
            proposal_id=proposal_id,
            plan=factories.plan("t1", environment="staging"),
            rationale=f"because of {PASSWORD}",
            reason=f'"secretAccessKey": "{AWS}"',
        )
    assert world.get(new).rationale == "because of [masked]"
    kept = everything_but_blobs()
    assert AWS.encode() not in kept
    assert PASSWORD.encode() not in kept


def test_a61_a_refusal_does_not_write_a_secret_into_the_record(world: World) -> None:
    record_refusal.record(
        actor=world.agent,
        event=Event.AGENT_REQUEST_REFUSED,
        error=BadValue(f"'secretAccessKey': '{AWS}' is no field"),
        object="door:api",
    )
    said = Entry.objects.order_by("-id")[0].data["data"]["detail"]
    assert said == "'secretAccessKey': '[masked]' is no field"


def test_a61_the_check_warns_and_a_masked_citation_still_holds(proposal: m.Proposal) -> None:
    body = json.loads(bytes(m.Assessment.objects.get().checks))
    found = {check["name"]: check for check in body["checks"]}
    assert found["secret_in_evidence"]["outcome"] == "warn"
    assert (
        "AWS secret access key, password in a connection string"
        in (found["secret_in_evidence"]["reason"])
    )
    assert found["citation_value_not_found"]["outcome"] == "pass"


def test_a61_no_mail_and_no_bundle_holds_a_secret(world: World, proposal: m.Proposal) -> None:
    world.integrate()
    with acts("hitl_worker"):
        made = export_bundle.make(proposal.incident_id, actor=operator())
        raw = b"".join(made)
    assert made.artefacts == {sha256(factories.artefact("t1")).hexdigest()}
    assert AWS.encode() not in raw
    world.deliver()
    assert mail.outbox
    assert all(AWS not in one.body + one.subject for one in mail.outbox)


def test_evidence_scanned_by_an_older_detector_is_scanned_again(world: World) -> None:
    """Rows without a scan, or scanned by another version, are never shown unmasked."""
    incident = factories.incident(m.Agent.objects.get(), "test.target:t9")
    row = factories.evidence(incident, LEAK)
    assert not m.EvidenceScan.objects.exists()
    assert len(secrets.found_in([row])[row.sha256].secrets) == 2
    assert AWS.encode() not in secrets.masked([row])[row.sha256]
