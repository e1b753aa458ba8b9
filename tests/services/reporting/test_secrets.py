"""Secrets in evidence: on record without their value, covered everywhere, uncovered for few, and
only after that is on record (docs/attacks.md A61)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection, transaction
from pytest_django import Settings

from audit import log
from audit.models import Entry
from remediation import models as m
from remediation.domain import report
from remediation.domain.errors import BadValue, NoSuchObject, NotEntitled, ReasonRequired
from remediation.domain.events import Event
from remediation.domain.secrets import covering, detector
from remediation.services.access import record_refusal, visibility
from remediation.services.actors import operator
from remediation.services.execution import export_bundle, halt
from remediation.services.reporting import incidents, secrets, submit, supersede, withdraw
from remediation.views.cards.diagnosis import diagnosis_card
from tests import factories
from tests.conftest import AsLogin
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db

AWS = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY"
PASSWORD = "Tr0ub4dor" + "&3-horse"
LEAK = json.dumps(
    {"target": "t1", "secretAccessKey": AWS, "url": f"amqp://app:{PASSWORD}@mq/"}
).encode()
REASON = "To tell the owner which password to rotate."


def leaking(world: World) -> report.Report:
    """The world's report, with an artefact that holds two secrets, and texts that quote them."""
    usual = world.report()
    held = report.Artefact(
        sha256=sha256(LEAK).hexdigest(),
        source=f"dump of {PASSWORD}",
        media_type="application/json",
        collected_at=usual.evidence[0].collected_at,
        attacker_writable=False,
        content=LEAK,
    )
    claim = report.Claim(
        f"The key {AWS} is used from outside",
        (report.Citation(held.sha256, "/secretAccessKey", AWS),),
    )
    told = report.parse_diagnosis(
        {
            "summary": f"{PASSWORD} and {AWS} leaked",
            "identity": usual.diagnosis.identity.to_json(),
            "confidence": 90,
            "claims": [one.to_json() for one in (*usual.diagnosis.claims, claim)],
        },
        allow_test=True,
    )
    return replace(
        usual,
        incident=replace(usual.incident, title=f"Leaked: {PASSWORD}"),
        evidence=(*usual.evidence, held),
        diagnosis=told,
        rationale=f"Whoever has {AWS} can do everything.",
    )


def handed_in(world: World, given: report.Report | None = None) -> UUID:
    with acts("hitl_web"), transaction.atomic():
        made = submit.report(given or leaking(world), actor=world.agent)
    assert made.proposal_id is not None
    return made.proposal_id


@pytest.fixture
def world(db: None, tmp_path: Any, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def proposal(world: World) -> m.Proposal:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    return world.get(proposal_id)


def everything_but_blobs() -> bytes:
    """Every row of every table that holds facts or the record, as the database prints it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_name <> 'remediation_evidenceblob'"
            "   AND (table_name LIKE 'remediation%' OR table_schema = 'audit')"
        )
        dump = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT convert_to(row_to_json(t)::text, 'UTF8') FROM {table} t")
            dump += [bytes(row[0]) for row in cursor.fetchall()]
            # Bytes are printed in hexadecimal.
            dump += [bytes.fromhex(part.decode()) for row in dump[-999:] for part in _hex(row)]
    return b"\n".join(dump)


def _hex(row: bytes) -> list[bytes]:
    return [part[3:] for part in re.findall(rb"\\\\x(?:[0-9a-f]{2})+", row)]


# ---- what is kept -------------------------------------------------------------------------------


def test_a61_findings_are_on_record_without_their_value(proposal: m.Proposal) -> None:
    scan = m.EvidenceScan.objects.exclude(secrets=[]).get()
    assert scan.detector == detector.VERSION
    rules = {rule: LEAK[offset : offset + length] for offset, length, rule in scan.secrets}
    assert rules == {"aws_secret_key": AWS.encode(), "connection_string": PASSWORD.encode()}
    assert m.EvidenceScan.objects.count() == m.Evidence.objects.count()
    assert AWS not in json.dumps(scan.secrets)


def test_a61_only_the_erasable_place_holds_a_secret(proposal: m.Proposal) -> None:
    kept = everything_but_blobs()
    assert b"Leaked: [masked]" in kept
    assert b"Whoever has [masked]" in kept
    assert AWS.encode() not in kept
    assert PASSWORD.encode() not in kept
    assert bytes(m.EvidenceBlob.objects.get(pk=sha256(LEAK).hexdigest()).content) == LEAK


def test_a61_a_later_report_that_quotes_earlier_evidence_is_covered_too(world: World) -> None:
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


def test_a61_the_text_of_a_replacement_is_covered(world: World) -> None:
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


def test_a61_the_check_warns_and_a_covered_citation_still_holds(proposal: m.Proposal) -> None:
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
    assert all(AWS not in one.body + one.subject for one in mail.outbox)


def test_evidence_that_an_older_detector_saw_is_looked_at_again(world: World) -> None:
    """Rows from before the detector, or by another version of it: never shown in clear."""
    incident = factories.incident(m.Agent.objects.get(), "test.target:t9")
    row = factories.evidence(incident, LEAK)
    assert not m.EvidenceScan.objects.exists()
    assert len(secrets.found_in([row])[row.sha256].secrets) == 2
    assert AWS.encode() not in secrets.masked([row])[row.sha256]


# ---- who looks at the bytes ---------------------------------------------------------------------


def reveal(someone: factories.Person, proposal: m.Proposal, **changes: str) -> bytes:
    said = {"sha256": sha256(LEAK).hexdigest(), "reason": REASON, **changes}
    with acts("hitl_web"):
        return secrets.reveal(actor=someone.user, proposal=proposal, **said)


def revealed() -> list[Any]:
    found = [entry.data for entry in Entry.objects.order_by("id")]
    return [said for said in found if said["action"] == "person:evidence:revealed"]


@pytest.mark.parametrize("roles", [[], ["lead"], ["auditor"], ["service_owner"], ["user_admin"]])
def test_a61_who_is_not_of_the_security_role_is_refused(
    proposal: m.Proposal, roles: list[str]
) -> None:
    someone = factories.person(roles=roles)
    service = m.Service.objects.get()
    factories.grant(someone.user, "review_service", service)
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)
    assert revealed() == []


def test_a13_a_superuser_is_refused(proposal: m.Proposal) -> None:
    someone = factories.person()
    m.User.objects.filter(pk=someone.user.pk).update(is_superuser=True, is_staff=True)
    someone.user.refresh_from_db()
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)


def test_a61_security_without_the_right_on_the_service_is_refused(proposal: m.Proposal) -> None:
    with pytest.raises(NotEntitled):
        reveal(factories.person(roles=["security"]), proposal)
    assert revealed() == []


def test_a16_whoever_was_deactivated_is_refused(world: World, proposal: m.Proposal) -> None:
    alice = world.people["alice"]
    m.User.objects.filter(pk=alice.user.pk).update(is_active=False)
    alice.user.refresh_from_db()
    with pytest.raises(NotEntitled):
        reveal(alice, proposal)


@pytest.mark.parametrize("reason", ["", "why", " " * 40, "x" * 501])
def test_a61_without_a_reason_nothing_is_shown(
    world: World, proposal: m.Proposal, reason: str
) -> None:
    with pytest.raises(ReasonRequired):
        reveal(world.people["alice"], proposal, reason=reason)
    assert revealed() == []


def test_a61_evidence_of_another_incident_is_not_reached(
    world: World, proposal: m.Proposal
) -> None:
    other = factories.incident(m.Agent.objects.get(), "test.target:t9")
    foreign = factories.evidence(other, LEAK + b" ")
    with pytest.raises(NoSuchObject):
        reveal(world.people["alice"], proposal, sha256=foreign.sha256)
    assert revealed() == []


def test_a61_a_person_of_the_security_role_sees_the_bytes_and_it_is_on_record(
    world: World, proposal: m.Proposal
) -> None:
    alice = world.people["alice"]
    assert reveal(alice, proposal, reason=f'{REASON} "secretAccessKey": "{AWS}"') == LEAK
    (said,) = revealed()
    assert said["actor"] == f"person:{alice.id}"
    assert said["object"] == f"incident:{proposal.incident_id}"
    assert said["data"]["reason"] == f'{REASON} "secretAccessKey": "[masked]"'
    assert said["data"]["secrets"].startswith("2 secrets: AWS secret access key")
    assert AWS.encode() not in everything_but_blobs()


def test_a51_when_the_record_fails_no_byte_is_read(
    world: World, proposal: m.Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**said: Any) -> None:
        raise OSError("no space")

    read: list[str] = []
    blobs = m.EvidenceBlob.objects
    monkeypatch.setattr(log, "append", full)
    monkeypatch.setattr(blobs, "get", lambda **asked: read.append("read"))
    with pytest.raises(OSError, match="no space"):
        reveal(world.people["alice"], proposal)
    assert read == []


@pytest.mark.django_db(transaction=True)
def test_a61_the_line_is_committed_before_the_bytes_are_read(
    world: World, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies while it reads the bytes leaves the line."""
    proposal_id = handed_in(world)
    world.assess(proposal_id)

    def dies(**asked: Any) -> None:
        assert not connection.in_atomic_block
        raise OSError("the machine is gone")

    monkeypatch.setattr(m.EvidenceBlob.objects, "get", dies)
    with pytest.raises(OSError, match="gone"):
        reveal(world.people["alice"], world.get(proposal_id))
    assert len(revealed()) == 1


def test_a61_before_an_assessment_nobody_uncovers(world: World) -> None:
    """Nobody knows yet which services the target serves."""
    proposal_id = handed_in(world)
    stranger = factories.person(roles=["security"])
    with acts("hitl_web"), pytest.raises(NotEntitled):
        secrets.reveal(
            actor=stranger.user,
            proposal=world.get(proposal_id),
            sha256=sha256(LEAK).hexdigest(),
            reason=REASON,
        )


def test_a61_another_proposal_of_the_incident_opens_nothing(world: World) -> None:
    """An agent reports the same again and withdraws at once: the incident stays as it was."""
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    stranger = factories.person(roles=["security"])
    with acts("hitl_web"):
        withdraw.withdraw(actor=world.agent, proposal_id=proposal_id, reason="x")
        told = submit.report(leaking(world), actor=world.agent)
        assert told.proposal_id is not None
        assert told.incident_id == world.get(proposal_id).incident_id
        withdraw.withdraw(actor=world.agent, proposal_id=told.proposal_id, reason="x")
        with pytest.raises(NotEntitled):
            secrets.reveal(
                actor=stranger.user,
                proposal=world.get(told.proposal_id),
                sha256=sha256(LEAK).hexdigest(),
                reason=REASON,
            )


# ---- names, other artefacts, people's words -----------------------------------------------------


NAME, KEY_ID = "payments-deploy-2024", "AKIAIOSFODNN7EXAMPLE"


def with_artefact(
    usual: report.Report, document: Any, *citations: tuple[str, Any], summary: str = ""
) -> report.Report:
    """The report with one more artefact, cited by a claim of its own."""
    content = json.dumps(document).encode()
    digest = sha256(content).hexdigest()
    held = replace(usual.evidence[0], sha256=digest, content=content)
    claim = report.Claim(
        "It is in the log", tuple(report.Citation(digest, *cited) for cited in citations)
    )
    told = report.parse_diagnosis(
        {
            "summary": summary or usual.diagnosis.summary,
            "identity": usual.diagnosis.identity.to_json(),
            "confidence": 90,
            "claims": [one.to_json() for one in (*usual.diagnosis.claims, claim)],
        },
        allow_test=True,
    )
    return replace(usual, evidence=(*usual.evidence, held), diagnosis=told)


def outcomes(proposal_id: UUID) -> dict[str, str]:
    body = json.loads(bytes(m.Assessment.objects.get(proposal=proposal_id).checks))
    return {check["name"]: check["outcome"] for check in body["checks"]}


def cited_on_the_page(proposal: m.Proposal) -> set[str]:
    card = diagnosis_card(proposal)
    return {row.outcome for claim in card.claims for row in claim.citations}


def test_a60_a_log_that_calls_the_target_a_password_covers_it_nowhere(
    db: None, tmp_path: Any, settings: Settings
) -> None:
    """It hid whom the proposal is about, and failed the citation that names it."""
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


def test_a61_a_name_that_only_the_agent_gives_uncovers_nothing(world: World) -> None:
    """An agent calls a target by the password: the inventory knows no such target."""
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


def test_a61_a_secret_that_other_evidence_gives_away_is_covered_and_its_citation_holds(
    world: World,
) -> None:
    """In one artefact a field says that it is one; in the other nothing does."""
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
    # As does what comes in later.
    later = with_artefact(world.report(), {"note": message}, ("/note", message))
    handed_in(world, later)
    rows = list(m.Evidence.objects.all())
    assert all(PASSWORD.encode() not in shown for shown in secrets.masked(rows).values())


def test_a61_what_reviewers_and_those_who_close_quote_is_covered(world: World) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    said = {"code": "evidence_missing", "text": f"Rotate {PASSWORD} first, and {AWS}."}
    world.decide("alice", proposal_id, "return", reason=said)
    with acts("hitl_web"):
        incidents.close(
            actor=world.people["bob"].user,
            incident_id=world.get(proposal_id).incident_id,
            outcome="handled_outside",
            reason=f"We rotated {PASSWORD} and {AWS}.",
        )
    kept = everything_but_blobs()
    assert PASSWORD.encode() not in kept and AWS.encode() not in kept
    assert b"Rotate [masked] first" in kept


def test_a61_what_is_said_in_halting_is_covered(world: World) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    proposal = world.get(proposal_id)
    assert halt.told(proposal, f"It uses {PASSWORD} everywhere.") == "It uses [masked] everywhere."


def test_a34_what_is_poured_in_later_makes_no_word_of_people_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent adds artefacts with a secret each; to look through them all would take minutes for
    every rejection, halt and correction, and for the reports of other agents."""
    proposal_id = handed_in(world)
    incident = world.get(proposal_id).incident
    monkeypatch.setattr(secrets, "MOST_BYTES", len(LEAK) + 100)
    for number in range(3):
        poured = {"password": f"{number}-Qz7!xYw9", "rest": "." * 50}
        handed_in(world, with_artefact(world.report(), poured, ("/rest", "." * 50)))
    looked: list[int] = []
    values = covering.values

    def counted(content: bytes, spared: Any) -> Any:
        looked.append(len(content))
        return values(content, spared)

    monkeypatch.setattr(covering, "values", counted)
    known = secrets.known_values(incident)
    assert sum(looked) <= secrets.MOST_BYTES
    # What was there first is known all the same.
    assert {AWS, PASSWORD} <= known


# ---- who uncovers: every service of whatever the incident is about ------------------------------


def test_a61_a_proposal_on_something_unknown_opens_nothing_of_what_was_never_assessed(
    world: World,
) -> None:
    """The grave proposal is withdrawn before anybody assessed it; the one beside it is on a target
    that no service uses. Both rest on the same evidence."""
    grave = handed_in(world)
    with acts("hitl_web"):
        withdraw.withdraw(actor=world.agent, proposal_id=grave, reason="x")
    stray = replace(leaking(world), plan=factories.plan("t9", environment="staging"))
    beside = handed_in(world, stray)
    world.assess(beside)
    assert not m.AssessmentService.objects.exists()
    stranger = factories.person(roles=["security"])
    assert visibility.may_view(stranger.user, world.get(beside))
    with pytest.raises(NotEntitled):
        reveal(stranger, world.get(beside))
    assert reveal(world.people["alice"], world.get(beside)) == LEAK


@pytest.mark.django_db(transaction=True)
def test_bytes_erased_in_the_moment_of_looking_are_a_refusal_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)

    def gone(**asked: Any) -> None:
        raise m.EvidenceBlob.DoesNotExist

    monkeypatch.setattr(m.EvidenceBlob.objects, "get", gone)
    with pytest.raises(NoSuchObject):
        reveal(world.people["alice"], world.get(proposal_id))
    assert len(revealed()) == 1
