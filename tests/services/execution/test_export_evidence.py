"""Export the evidence of a run: the stored bytes, to an operator, recorded first."""

from __future__ import annotations

from hashlib import sha256
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from audit.models import Entry
from remediation.domain.errors import NoSuchObject, NotEntitled
from remediation.services.actors import PersonActor, ProcessActor
from remediation.services.execution import export_evidence
from tests import factories
from tests.conftest import AsLogin
from tests.factories import WORKER

pytestmark = pytest.mark.django_db

OPERATOR = ProcessActor("operator:root@worker1")


def test_the_stored_bytes_are_exported_and_the_export_is_recorded(as_login: AsLogin) -> None:
    proposal = factories.proposal_at("succeeded")
    with as_login(WORKER):
        content = export_evidence.export(actor=OPERATOR, proposal_id=proposal.pk)
    assert content == bytes(proposal.execution.evidence)
    entry = Entry.objects.order_by("-id")[0].data
    assert (entry["action"], entry["actor"], entry["object"]) == (
        "operator:evidence:exported",
        OPERATOR.ref,
        f"proposal:{proposal.pk}",
    )
    assert entry["data"] == {"sha256": sha256(content).hexdigest()}


@pytest.mark.parametrize("state", ["in_review", "approved", "rejected"])
def test_a_proposal_that_never_ran_has_no_evidence(state: str) -> None:
    proposal = factories.proposal_at(state)
    with pytest.raises(NoSuchObject):
        export_evidence.export(actor=OPERATOR, proposal_id=proposal.pk)


def test_a_person_cannot_export_as_operator() -> None:
    proposal, somebody = factories.proposal_at("succeeded"), factories.person(roles=["auditor"])
    with pytest.raises(NotEntitled):
        export_evidence.export(
            actor=PersonActor(somebody.id, somebody.user.pk), proposal_id=proposal.pk
        )


def test_the_command_writes_a_file(as_login: AsLogin, settings: Settings, tmp_path: Path) -> None:
    settings.PROCESS = "worker"
    proposal = factories.proposal_at("succeeded")
    out = StringIO()
    with as_login(WORKER):
        call_command(
            "export_evidence", str(proposal.pk), "--output", str(tmp_path / "e.json"), stdout=out
        )
    assert (tmp_path / "e.json").read_bytes() == bytes(proposal.execution.evidence)
    assert out.getvalue().endswith("bytes\n")


@pytest.mark.parametrize(("given", "after"), [([], None), (["--after", "1"], 0)])
def test_a_step_is_counted_from_one(
    given: list[str], after: int | None, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    settings.PROCESS, asked = "worker", []

    def exported(**said: object) -> bytes:
        asked.append(said["after"])
        return b"{}"

    monkeypatch.setattr(export_evidence, "export", exported)
    call_command(
        "export_evidence", str(uuid4()), "--output", str(tmp_path / "e.json"), *given,
        stdout=StringIO(),
    )  # fmt: skip
    assert asked == [after]


def test_a_run_that_did_not_wait_has_no_evidence_after_a_step(
    as_login: AsLogin, settings: Settings
) -> None:
    settings.PROCESS = "worker"
    proposal = factories.proposal_at("succeeded")
    with as_login(WORKER), pytest.raises(CommandError, match="no_such_object"):
        call_command("export_evidence", str(proposal.pk), "--after", "1")


def test_a_refused_export_is_recorded_and_writes_nothing(
    as_login: AsLogin, settings: Settings, tmp_path: Path
) -> None:
    settings.PROCESS = "worker"
    with as_login(WORKER), pytest.raises(CommandError, match="no_such_object"):
        call_command("export_evidence", str(uuid4()), "--output", str(tmp_path / "e.json"))
    assert not (tmp_path / "e.json").exists()
    assert Entry.objects.order_by("-id")[0].data["object"] == "command:export_evidence"
