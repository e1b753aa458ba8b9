"""Two named people erase bytes of evidence, on record, and the bytes stay gone (A61)."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from audit.models import Entry
from audit.tlog import bundle as bundles
from remediation import models as m
from remediation.domain.errors import BadValue, NoSuchObject, NotEntitled
from remediation.services.actors import PersonActor, operator
from remediation.services.execution import export_bundle
from remediation.services.reporting import secrets, submit
from tests import factories
from tests.database.attack import APPEND_ONLY, DENIED, refused, sql
from tests.domain import record
from tests.flows.world import World, acts
from tests.services.reporting.leaks import AWS, leaking

pytestmark = pytest.mark.django_db

ERASER = "hitl_eraser"
GROUND = "GDPR, article 17"


@pytest.fixture
def world(db: None, tmp_path: Any, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def sha256(world: World) -> str:
    with acts("hitl_web"), transaction.atomic():
        submit.report(leaking(world), actor=world.agent)
    return m.EvidenceScan.objects.exclude(secrets=[]).get().evidence.sha256


def erase(*digests: str, **changes: Any) -> Any:
    said = {"ground": GROUND, "by": "Ada", "second": "Bob", **changes}
    with acts(ERASER):
        return secrets.erase(actor=operator(), digests=digests, **said)


@pytest.mark.parametrize(
    "changes",
    [
        {"ground": " "},
        {"by": ""},
        {"second": ""},
        {"second": "ada"},
        {"second": " A d a"},
        {"second": "\uff21da"},
    ],
)
def test_an_erasure_needs_a_ground_and_two_people(sha256: str, changes: dict[str, str]) -> None:
    with pytest.raises(BadValue):
        erase(sha256, **changes)
    assert m.EvidenceBlob.objects.filter(pk=sha256).exists()


@pytest.mark.parametrize("digests", [(), ("0" * 64,), ("no digest",)])
def test_unknown_bytes_cannot_be_erased(sha256: str, digests: tuple[str, ...]) -> None:
    before = Entry.objects.count()
    for wanted in (digests, (*digests, sha256) if digests else ()):
        with pytest.raises(NoSuchObject):
            erase(*wanted)
    assert m.EvidenceBlob.objects.filter(pk=sha256).exists()
    assert Entry.objects.count() == before


def test_a13_no_person_can_call_the_erasure(world: World, sha256: str) -> None:
    for someone in world.people.values():
        with pytest.raises(NotEntitled):
            secrets.erase(
                actor=PersonActor(someone.id, someone.user.pk),
                digests=[sha256],
                ground=GROUND,
                by="Ada",
                second="Bob",
            )


@pytest.mark.parametrize("login", ["hitl_web", "hitl_worker", "hitl_sequencer", "hitl_auditor"])
def test_no_other_login_erases(sha256: str, login: str) -> None:
    with acts(login), refused(DENIED), transaction.atomic():
        sql("DELETE FROM public.remediation_evidenceblob")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE remediation_evidenceblob SET sha256 = sha256", "TRUNCATE remediation_evidenceblob"],
)
def test_bytes_can_be_erased_but_not_rewritten(sha256: str, statement: str) -> None:
    with refused(APPEND_ONLY), transaction.atomic():
        sql(statement)


def test_an_erasure_removes_the_bytes_and_keeps_everything_else(world: World, sha256: str) -> None:
    incident = m.Incident.objects.get()
    assert erase(sha256) == {str(incident.pk): 1}
    assert not m.EvidenceBlob.objects.filter(pk=sha256).exists()
    assert m.Evidence.objects.filter(sha256=sha256).exists()
    assert m.EvidenceScan.objects.exclude(secrets=[]).exists()
    said = Entry.objects.order_by("-id")[0].data
    assert said["action"] == "operator:evidence:erased"
    assert said["object"] == f"incident:{incident.pk}"
    assert said["data"] == {"erased": [sha256], "ground": GROUND, "by": "Ada", "second": "Bob"}
    with pytest.raises(NoSuchObject):
        erase(sha256)


def test_erased_bytes_are_not_stored_again(world: World, sha256: str) -> None:
    """Neither when an agent repeats its report nor in a report of another incident."""
    erase(sha256)
    again = leaking(world)
    with acts("hitl_web"), transaction.atomic():
        submit.report(again, actor=world.agent)
    other = factories.incident(m.Agent.objects.get(), "test.target:t9")
    factories.evidence(other, again.evidence[-1].content)
    assert m.Evidence.objects.filter(sha256=sha256).count() == 2
    assert not m.EvidenceBlob.objects.filter(pk=sha256).exists()


def test_each_incident_with_the_bytes_gets_an_entry(world: World, sha256: str) -> None:
    content = bytes(m.EvidenceBlob.objects.get(pk=sha256).content)
    other = factories.incident(m.Agent.objects.get(), "test.target:t9")
    factories.evidence(other, content)
    assert erase(sha256) == {str(pk): 1 for pk in m.Incident.objects.values_list("pk", flat=True)}
    said = [entry.data for entry in Entry.objects.order_by("-id")[:2]]
    assert {one["object"] for one in said} == {
        f"incident:{pk}" for pk in m.Incident.objects.values_list("pk", flat=True)
    }


def test_a_bundle_still_holds_after_the_erasure(world: World, sha256: str) -> None:
    erase(sha256)
    world.integrate()
    incident = m.Incident.objects.get()
    with acts("hitl_worker"):
        raw = b"".join(export_bundle.make(incident.pk, actor=operator()))
    assert AWS.encode() not in raw
    assert bundles.verify(raw, record.POLICY).incident == str(incident.pk)


def test_the_operator_erases_by_a_command(
    sha256: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("evidence_erase", sha256, "--ground", GROUND, "--by", "Ada")
    with pytest.raises(CommandError, match="HITL_PROCESS=eraser"):
        call_command(*arguments, "--second", "Bob")
    settings.PROCESS = "eraser"
    with acts(ERASER), pytest.raises(CommandError, match="two different people"):
        call_command(*arguments, "--second", "ADA")
    refusal = Entry.objects.order_by("-id")[0].data
    assert refusal["action"] == "operator:request:refused"
    out = StringIO()
    with acts(ERASER):
        call_command(*arguments, "--second", "Bob", stdout=out)
    assert "1 erased and recorded" in out.getvalue()


def test_a_crash_before_the_end_erases_nothing(
    sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*args: Any, **kwargs: Any) -> None:
        raise OSError("the machine is gone")

    before = Entry.objects.count()
    monkeypatch.setattr(m.EvidenceErasure.objects, "create", dies)
    with pytest.raises(OSError, match="gone"):
        erase(sha256)
    assert m.EvidenceBlob.objects.filter(pk=sha256).exists()
    assert Entry.objects.count() == before
