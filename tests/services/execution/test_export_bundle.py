"""Bundles of whole runs, also beside entries of a compromised web process and after erasure."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from audit import log
from audit.models import Entry
from audit.origin import Start
from audit.sequencer import Sequencer
from audit.tlog import bundle, bundle_form
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.head import HeadFile
from audit.tlog.note import Note
from audit.tlog.policy import Policy
from audit.verifying import verify
from remediation import models as m
from remediation.domain.errors import NoSuchObject
from remediation.management import offline
from remediation.services.actors import operator
from remediation.services.execution import export_bundle as service
from remediation.services.review import sign
from tests import factories, stepup
from tests.conftest import AsLogin
from tests.domain import record
from tests.factories import WEB, WORKER
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db
KEY = str(record.SIGNER.vkey)


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def done(world: World) -> UUID:
    """Return an executed proposal whose incident is completely in the log."""
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.integrate()
    return proposal_id


def incident_of(proposal_id: UUID) -> UUID:
    found: UUID = m.Proposal.objects.get(pk=proposal_id).incident_id
    return found


def make(proposal_id: UUID, **more: Any) -> bytes:
    with acts("hitl_worker"):
        return b"".join(service.make(incident_of(proposal_id), actor=operator(), **more))


def check(raw: bytes, policy: Policy = record.POLICY, **more: Any) -> bundle.Verified:
    return bundle.verify(raw, policy, verify=verify, **more)


def says(body: bytes) -> int:
    """Append any JSON object, as if the guard of entries were switched off."""
    with factories.anybody_writes(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit.entry (body) VALUES (%s) RETURNING id", [body])
        return int(cursor.fetchone()[0])


def replay(world: World, raw: bytes, *more: str) -> int:
    """Verify the bundle with the world's trust."""
    (world.directory / "bundle.json").write_bytes(raw)
    return offline.main([
        str(world.directory / "bundle.json"), "--approvers", world.settings.APPROVERS_FILE,
        "--rp-id", world.settings.RP_ID, "--origin", world.settings.ORIGIN, "--allow-test",
        *(more or ("--log-key", KEY)),
    ])  # fmt: skip


# ---- how it is handed out -----------------------------------------------------------------------


def test_it_is_streamed_and_on_record_before_its_first_byte(done: UUID) -> None:
    with acts("hitl_worker"):
        made = service.make(incident_of(done), actor=operator())
        said = Entry.objects.order_by("-pk")[0].data
        pieces = list(made)
    raw = b"".join(pieces)
    found = check(raw)
    assert len(pieces) > len(found.documents)  # one by one, so that they need not fit in memory
    assert made.octets == len(raw)
    assert (said["action"], said["actor"]) == ("operator:bundle:exported", operator().ref)
    assert said["object"] == f"incident:{found.incident}"
    assert said["data"] == {"size": found.checked.checkpoint.size, "artefacts": True}


def test_a51_an_export_that_cannot_be_recorded_is_refused(
    done: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_BODY", 10)
    with pytest.raises(ValueError, match="at most 10 bytes"):
        make(done)


def test_the_next_bundle_holds_the_entry_of_the_first(world: World, done: UUID) -> None:
    make(done)
    world.integrate()
    actions = [entry.action for entry in check(make(done)).entries]
    assert actions[-1] == "operator:bundle:exported"


def test_comments_and_assignments_are_in_the_bundle_and_verified(world: World, done: UUID) -> None:
    """What people said and who had it is proven to an outsider, as every other fact is."""
    incident = world.get(done).incident
    lead = factories.person(roles=["lead"])
    factories.assignment(incident, lead.id, lead)
    said = factories.comment(incident, lead, "Is it over?", proposal=world.get(done))
    world.integrate()
    raw = make(done)
    assert check(raw).incident == str(incident.pk)
    bodies = [json.loads(one["body"]) for one in json.loads(raw)["entries"]]
    found = {one["action"]: one for one in bodies if one["actor"] == lead.actor}
    assert set(found) == {"person:incident:assigned", "person:incident:commented"}
    assert found["person:incident:commented"]["data"]["text"] == said.text
    without = json.loads(raw)
    without["entries"] = [
        {**one, "body": one["body"].replace("Is it over?", "It is over.")}
        for one in without["entries"]
    ]
    with pytest.raises(TlogError):
        check(encode(without))


def test_an_unknown_incident_is_not_exported(db: None) -> None:
    with acts("hitl_worker"), pytest.raises(NoSuchObject):
        service.make(UUID(int=0), actor=operator())
    assert not Entry.objects.exists()


# ---- erasure, length ----------------------------------------------------------------------------


def test_erased_bytes_are_absent_and_the_rest_holds(done: UUID) -> None:
    whole = check(make(done))
    (artefact,) = m.Evidence.objects.filter(incident=incident_of(done))
    with factories.unguarded("public.remediation_evidenceblob"):
        m.EvidenceBlob.objects.all().delete()
    found = check(make(done))
    assert found.documents["", artefact.sha256] is None
    assert (whole.left_out, found.left_out) == (0, 1)
    assert found.documents.keys() == whole.documents.keys()


def test_a_bundle_too_long_for_a_verifier_omits_artefacts(
    done: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = len(make(done))
    monkeypatch.setattr(bundle_form, "MAX_BYTES", whole - 1)
    found = check(make(done))
    assert found.left_out == 1


# ---- a compromised web process -------------------------------------------------------------------


def test_a43_forged_entries_of_the_web_process_do_not_break_the_bundle(world: World) -> None:
    proposal_id = world.in_review()
    incident = incident_of(proposal_id)
    about = f'"object":"incident:{incident}"'
    deep = "[" * 5_000 + "]" * 5_000
    for body in (
        f'{{{about},"data":{{"x":{{"hmac-sha256":"not hex"}},"y":{{"hmac-sha256":[1]}}}}}}',
        f'{{{about},"action":["x"],"data":{deep}}}',
        f'{{{about},"action":7}}',
        f'{{{about},{about},"data":1e400,"action":"\\u001b[2J"}}',
        f'{{{about} , "action" : null}}',
        '{"object":{"a":1}}',
    ):
        says(body.encode())
    # A row about the proposal that refers to an entry about something else.
    with acts(WEB):
        alice = world.people["alice"]
        signed = stepup.checked(alice, sign.observing(proposal_id, 1))
        other = log.append(
            action="person:request:refused",
            actor=alice.actor,
            object="command:x",
            data={"step_up": signed.data},
        )
        signed.use(other.id)
        m.ObservationRequest.objects.create(
            proposal_id=proposal_id, round=1, person=world.people["alice"].id, entry=other.id
        )
    world.integrate()
    raw = make(proposal_id)
    made_up = [one for one in check(raw).forged if one.entry.action not in log.vocabulary()]
    assert len(made_up) >= 3  # it is seen
    assert replay(world, raw) == 0


def test_a43_a_forged_report_is_named(world: World, done: UUID) -> None:
    """The web process records a report that nobody has: the bundle names it, and holds."""
    data = {"diagnosis": "ab" * 32, "evidence": ["cd" * 32]}
    index = Entry.objects.count()
    with acts(WEB):
        log.append(
            action="agent:report:submitted", actor="agent:x", data=data,
            object=f"incident:{incident_of(done)}",
        )  # fmt: skip
    world.integrate()
    remarks = check(make(done)).remarks
    assert any(f"entry {index}" in remark for remark in remarks), remarks


# ---- passkeys -----------------------------------------------------------------------------------


def test_a_review_without_an_approvers_key_is_reported_and_has_no_effect(
    world: World, done: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    """mallory's passkey is enrolled but in no approvers file: the worker ignores her dissent."""
    proposal_id = world.in_review()
    world.decide("mallory", proposal_id, "reject")
    world.settle(proposal_id)
    assert world.state_of(proposal_id) == "in_review"
    world.integrate()
    assert replay(world, make(proposal_id)) == 0
    said = capsys.readouterr().out
    assert f"reject by {world.people['mallory'].id}" in said
    assert "no: the approvers file does not contain this key" in said
    assert "none of them had an effect" in " ".join(said.split())


@pytest.mark.parametrize("decision", ["reject", "return"])
def test_an_end_that_no_approver_signed_does_not_hold(
    world: World, decision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, decision)
    world.settle(proposal_id)
    world.integrate()
    raw = make(proposal_id)
    assert replay(world, raw) == 0
    assert "1 " not in capsys.readouterr().out.split("HOLDS")[1]
    # For a reader whose approvers file lacks alice, nobody rejected it.
    world.approve_keys_of("bob")
    assert replay(world, raw) == 1
    assert f"no verified review says {decision}" in capsys.readouterr().out
    assert replay(world, raw, "--log-key", KEY, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["unfounded"]
    assert said["reviews"][0]["problem"]


def test_a_review_counts_as_of_its_time(world: World, done: UUID) -> None:
    """alice left afterwards: her earlier signatures still hold."""
    raw = make(done)
    world.end_key_of("alice")
    assert replay(world, raw) == 0


def test_a_review_entered_for_another_proposal_does_not_count(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """alice's no to one proposal, entered again as if it were about the next, which "ended" so."""
    first = world.in_review()
    world.decide("alice", first, "reject")
    world.settle(first)
    second = world.in_review()
    assert incident_of(first) == incident_of(second)
    for entry in list(Entry.objects.order_by("pk")):
        if entry.data["action"] == "person:review:signed":
            says(encode({**entry.data, "object": f"proposal:{second}"}))
    world.integrate()
    assert replay(world, make(first)) == 0
    said = capsys.readouterr().out
    assert "no: the entry is about another proposal" in said
    assert said.count("the passkey's signature is valid") == 1
    for entry in list(Entry.objects.order_by("pk")):
        if entry.data["action"] == "worker:proposal:rejected":
            copy = {**entry.data, "object": f"proposal:{second}"}
            says(encode({**copy, "writer": "hitl_web"}))
            world.integrate()
            assert replay(world, make(first)) == 0
            assert "is forged and not believed" in capsys.readouterr().out
            # The worker's own login says it.
            says(encode(copy))
    world.integrate()
    assert replay(world, make(first)) == 1
    assert "no verified review says reject" in capsys.readouterr().out


def test_a46_the_gate_is_replayed_with_the_callers_trust_alone(
    world: World, done: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = make(done)
    assert replay(world, raw) == 0
    capsys.readouterr()
    # Only the forger trusts the forger's approvers, log and witnesses.
    assert replay(world, raw, "--log-key", str(record.signer(seed="forger").vkey)) == 1
    assert "unknown_key" in capsys.readouterr().out
    (world.directory / "policy").write_text(record.WITNESSED.dump(), encoding="utf-8")
    assert replay(world, raw, "--log-policy", str(world.directory / "policy")) == 1
    assert "quorum_missing" in capsys.readouterr().out
    world.approve_keys_of("alice", "dave")
    assert replay(world, raw) == 1
    assert "unknown_approver_key" in capsys.readouterr().out


def test_a_run_whose_gate_is_left_out_does_not_hold(world: World, done: UUID) -> None:
    given = json.loads(make(done))
    cleared = next(e for e in given["entries"] if "worker:gate:cleared" in e["body"])
    digest = json.loads(cleared["body"])["data"]["evidence"]
    given["entries"].remove(cleared)
    given["documents"] = [d for d in given["documents"] if d["digest"] != digest]
    assert replay(world, encode(given) + b"\n") == 1


# ---- heads --------------------------------------------------------------------------------------


def test_a_bundle_goes_on_from_a_head_that_the_reader_remembers(world: World, done: UUID) -> None:
    note = world.sequencer.note  # type: ignore[union-attr]
    seen = Checkpoint.parse(Note.parse(note).text)
    world.in_review()
    world.integrate()
    with pytest.raises(TlogError, match="no proof here"):
        check(make(done), seen=seen)
    assert check(make(done, seen=seen), seen=seen).heads[-1] == seen


def test_a_bundle_after_the_log_was_reopened_under_another_name(
    world: World, done: UUID, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader decides whether to trust the old key."""
    new = record.signer("portal.example/audit-2", "audit-2")
    note = world.sequencer.note  # type: ignore[union-attr]
    with acts(WORKER):
        entry = log.append(
            action="operator:log:reopened", actor="operator:root", object=f"log:{new.vkey.name}",
            data={"origin": new.vkey.name, "vkey": str(new.vkey), "previous": note, "reason": "x"},
        )  # fmt: skip
    head = HeadFile(tmp_path / "head-2")
    head.write(Start.of(entry.body, note).dump())
    reopened = Sequencer(connection.connection, [new], head)
    with acts("hitl_sequencer"):
        reopened.start()
        reopened.drain()
        reopened.index()
    policy = tmp_path / "audit-policy"
    policy.write_text(Policy.single(new.vkey).dump(), encoding="utf-8")
    raw = make(done)
    found = check(raw, Policy.single(new.vkey))
    assert found.heads == ()
    assert "cleared under a head of another log, portal.example/audit:" in found.remarks[0]
    assert replay(world, raw, "--log-key", str(new.vkey)) == 1
    assert "bad_inclusion" in capsys.readouterr().out
    policy.write_text(Policy((new.vkey, record.SIGNER.vkey)).dump(), encoding="utf-8")
    assert replay(world, raw, "--log-policy", str(policy)) == 0


# ---- the command --------------------------------------------------------------------------------


def export(as_login: AsLogin, *arguments: str) -> str:
    err = StringIO()
    with as_login(WORKER):
        call_command("export_bundle", *arguments, stderr=err)
    return err.getvalue()


def test_the_command_writes_a_file_for_its_owner_alone(
    world: World, done: UUID, as_login: AsLogin, settings: Settings, tmp_path: Path
) -> None:
    settings.PROCESS = "worker"
    file, seen = tmp_path / "b.json", tmp_path / "seen"
    file.write_bytes(b"older")
    seen.write_text(world.sequencer.note, encoding="utf-8")  # type: ignore[union-attr]
    incident = str(incident_of(done))
    said = export(as_login, incident, "--output", str(file), "--seen", str(seen))
    assert check(file.read_bytes()).incident == incident
    assert f"{file.stat().st_size:,} bytes" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    export(as_login, incident, "--output", str(file), "--without-artefacts")
    assert check(file.read_bytes()).left_out == 1
    assert not list(tmp_path.glob(".b.json*"))


def test_the_command_names_what_it_cannot_write_or_read(
    done: UUID, as_login: AsLogin, settings: Settings, tmp_path: Path
) -> None:
    settings.PROCESS = "worker"
    incident = str(incident_of(done))
    with pytest.raises(CommandError, match="No such file"):
        export(as_login, incident, "--output", str(tmp_path / "nowhere" / "b.json"))
    for bad in (tmp_path, tmp_path / "nothing", tmp_path / "audit-policy"):
        with pytest.raises(CommandError):
            export(as_login, incident, "--output", str(tmp_path / "b"), "--seen", str(bad))
    assert not (tmp_path / "b").exists()
    with pytest.raises(CommandError, match="no_such_object"):
        export(as_login, str(UUID(int=0)), "--output", str(tmp_path / "b"))
    settings.PROCESS = "web"
    with pytest.raises(CommandError, match="worker"):
        export(as_login, incident, "--output", str(tmp_path / "b"))
