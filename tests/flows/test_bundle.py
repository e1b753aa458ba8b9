"""The evidence bundle of an incident, made from a complete run and attacked byte by byte."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from audit import verifier
from audit.tlog import bundle
from audit.tlog.__main__ import main
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Fork, Malformed, Mismatch, Missing, TlogError
from audit.tlog.note import Note
from audit.verifying import verify
from remediation import models as m
from remediation.domain.errors import AuditUnavailable, NoSuchObject
from remediation.management import offline
from remediation.services.actors import operator
from remediation.services.execution import export_bundle as service
from tests.domain import record
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
KEY = str(record.SIGNER.vkey)


@pytest.fixture
def done(world: World) -> UUID:
    """An incident with a rejected and an executed proposal."""
    rejected = world.in_review()
    world.decide("alice", rejected, "reject")
    world.settle(rejected)
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.integrate()
    assert world.state_of(proposal_id) == "succeeded"
    found: UUID = m.Proposal.objects.get(pk=proposal_id).incident_id
    return found


def make(incident: UUID, **changes: Any) -> bytes:
    with acts("hitl_worker"):
        return b"".join(service.make(incident, actor=operator(), **changes))


def check(raw: bytes, **changes: Any) -> bundle.Verified:
    return bundle.verify(raw, record.POLICY, verify=verify, **changes)


def rebuilt(raw: bytes, **changes: Any) -> bytes:
    return encode({**json.loads(raw), **changes}) + b"\n"


def test_a_bundle_contains_everything_about_the_incident(done: UUID) -> None:
    found = check(make(done))
    said = {str(entry.said["action"]) for entry in found.entries}
    assert {
        "agent:incident:opened", "agent:report:submitted", "agent:proposal:submitted",
        "worker:proposal:assessed", "person:review:signed", "worker:proposal:rejected",
        "person:proposal:approved", "worker:gate:cleared", "worker:proposal:executing",
        "worker:step:recorded", "worker:proposal:succeeded", "worker:incident:contained",
    } <= said  # fmt: skip
    kinds = {domain for domain, _ in found.documents}
    assert kinds == {"", *(f"hitlportal/{kind}/v1" for kind in (
        "plan", "diagnosis", "scope", "checks", "ruling", "pin", "observation",
    ))}  # fmt: skip
    assert found.left_out == 0
    assert len(found.heads) == 1


def test_the_export_is_recorded_before_the_first_byte(done: UUID) -> None:
    make(done)
    from audit.models import Entry

    assert Entry.objects.order_by("-pk")[0].data["action"] == "operator:bundle:exported"


def test_artefacts_may_be_left_out_and_their_digests_stay(done: UUID) -> None:
    found = check(make(done, with_artefacts=False))
    assert found.left_out == 1


def test_the_command_line_checks_it_alone(
    world: World, done: UUID, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bundle.json"
    file.write_bytes(make(done))
    assert main(["verify", str(file), "--key", KEY]) == 0
    assert f"incident {done}" in capsys.readouterr().out
    assert main(["verify", str(file), "--key", KEY, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    assert main(["verify", str(file), "--key", str(record.signer(seed="x").vkey)]) == 1
    assert main(["verify", str(file), "--key", "no key"]) == 2
    assert main(["verify", str(tmp_path / "nothing"), "--key", KEY]) == 2
    assert main(["verify", str(file)]) == 2
    trust = (
        *("--approvers", world.settings.APPROVERS_FILE, "--rp-id", world.settings.RP_ID),
        *("--origin", world.settings.ORIGIN, "--log-key", KEY, "--allow-test"),
    )
    assert offline.main([str(file), *trust]) == 0
    said = capsys.readouterr().out
    assert said.count("the passkey's signature is valid") == 3
    assert "7 audit inclusion" in said
    assert offline.main([str(file), *trust[:-3], "--log-key", str(record.WITNESS.vkey)]) == 1


def test_a46_a_forgers_bundle_with_a_log_of_his_own_does_not_hold(done: UUID) -> None:
    raw = make(done)
    given = json.loads(raw)
    head = Checkpoint.parse(Note.parse(given["checkpoint"]).text)
    forger = record.signer(seed="forger")
    note = Note(head.text(), (forger.line(head.text()),)).dump()
    with pytest.raises(TlogError):
        check(rebuilt(raw, checkpoint=note))
    # The format has no field for trusted keys.
    with pytest.raises(Malformed):
        check(rebuilt(raw, policy=record.POLICY.dump()))


def test_a50_a_changed_byte_is_found_wherever_it_lies(done: UUID) -> None:
    """Here every 29th byte; every byte of a shorter bundle in tests/audit/tlog/test_bundle.py."""
    raw = make(done)
    unseen = []
    for at in range(0, len(raw), 29):
        for bit in (0, 5):
            flipped = raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]
            try:
                check(flipped)
            except TlogError:
                continue
            unseen.append((at, bit, raw[max(0, at - 20) : at + 20]))
    assert unseen == []


def test_every_document_named_by_an_entry_is_required(done: UUID) -> None:
    raw = make(done)
    documents = json.loads(raw)["documents"]
    for missing in range(len(documents)):
        with pytest.raises(Missing):
            check(rebuilt(raw, documents=documents[:missing] + documents[missing + 1 :]))


def test_every_review_that_the_gate_saw_must_be_there(done: UUID) -> None:
    """Without one of two reviews the bundle fails, although one review is still there."""
    raw = make(done)
    given = json.loads(raw)["entries"]
    cleared = next(e for e in given if "worker:gate:cleared" in e["body"])
    proposal = json.loads(cleared["body"])["object"]
    signed = [e for e in given if "person:review:signed" in e["body"] and proposal in e["body"]]
    assert len(signed) == 2
    for one in signed:
        with pytest.raises(Missing, match="the gate saw an entry that is not here"):
            check(rebuilt(raw, entries=[e for e in given if e != one]))


def test_a_bundle_accepts_no_other_content(done: UUID) -> None:
    raw = make(done)
    given = json.loads(raw)
    extra = {"domain": "", "digest": "ab" * 32, "body": None, "encoding": "utf-8"}
    with pytest.raises(Missing):
        check(rebuilt(raw, documents=[*given["documents"], extra]))
    plan = next(d for d in given["documents"] if d["domain"] == "hitlportal/plan/v1")
    other = {**plan, "body": plan["body"].replace("production", "staging")}
    with pytest.raises(Mismatch):
        check(rebuilt(raw, documents=[other if d == plan else d for d in given["documents"]]))
    with pytest.raises(TlogError):
        check(rebuilt(raw, entries=given["entries"][::-1]))
    with pytest.raises(TlogError):
        check(rebuilt(raw, incident="00000000-0000-4000-8000-000000000000"))
    with pytest.raises(Malformed):
        check(json.dumps(given).encode())


def test_a_head_of_the_readers_own(world: World, done: UUID) -> None:
    raw = make(done)
    head = check(raw).checked.checkpoint
    check(raw, seen=head)
    with pytest.raises(Fork):
        check(raw, seen=Checkpoint(head.origin, head.size, b"x" * 32))
    older = Checkpoint(head.origin, 1, b"x" * 32)
    with pytest.raises(Missing):
        check(raw, seen=older)


def test_without_inclusion_in_the_log_there_is_no_bundle(world: World) -> None:
    incident = m.Proposal.objects.get(pk=world.in_review()).incident_id
    with pytest.raises(AuditUnavailable):
        make(incident)
    world.integrate()
    check(make(incident))


def test_a_bundle_of_an_unknown_incident_is_refused(world: World) -> None:
    with pytest.raises(NoSuchObject):
        make(UUID(int=0))


# ---- the verifier as one file -------------------------------------------------------------------


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("zipapp") / "audit-verify.pyz"
    verifier.build(out)
    return out


def test_a53_one_file_no_secret_no_package_no_environment(
    done: UUID, zipapp: Path, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.json"
    file.write_bytes(make(done))
    done_ = subprocess.run(
        [sys.executable, "-I", "-S", zipapp, "verify", file, "--key", KEY],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done_.returncode, done_.stderr) == (0, "")
    assert done_.stdout.endswith("HOLDS\n")


def test_the_verifier_contains_the_source_and_is_reproducible(zipapp: Path, tmp_path: Path) -> None:
    verifier.build(tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == zipapp.read_bytes()
    with zipfile.ZipFile(zipapp) as archive:
        for name in archive.namelist():
            if name != "__main__.py":
                assert archive.read(name) == (ROOT / name).read_bytes()


def test_it_imports_the_standard_library_only(zipapp: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import audit.tlog.__main__\n"
        "names = {n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(n for n in names if not n.startswith('_')))"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, zipapp],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "['audit']"


NONE = "ab" * 32


def write(action: str, object_: str, data: str) -> None:
    kind = action.split(":", maxsplit=1)[0]
    body = (
        f'{{"action":"{action}","actor":"{kind}:{uuid4()}","at":"2026-11-22T10:00:00.000000+00:00",'
        f'"data":{data},"object":"{object_}","v":1}}'
    )
    with acts("hitl_web"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit.entry (body) VALUES (%s)", [body.encode()])


CASES = {
    "digest_of_nothing": ("agent:report:submitted", '{"diagnosis":"%s"}'.replace("%s", NONE)),
    "no_digest": ("agent:report:submitted", '{"diagnosis":7}'),
    "corrected": ("person:diagnosis:corrected", '{"diagnosis":"%s"}'.replace("%s", NONE)),
    "no_rest": ("person:run:settled", "{}"),
    "unknown_action": ("person:what:ever", "{}"),
    "not_canonical": ("person:what:ever", '{"b":1,"a":2}'),
    "big": ("person:what:ever", f'{{"b":{"9" * 5000}}}'),
    "deep": ("person:what:ever", f'{{"b":{"[" * 70}1{"]" * 70}}}'),
    "data_text": ("person:review:signed", '"x"'),
    "statement": ("person:review:signed", '{"statement":{"plan":"%s"}}'.replace("%s", NONE)),
    "submitted": (
        "agent:proposal:submitted",
        '{"incident":"INCIDENT","plan":"%s"}'.replace("%s", NONE),
    ),
    "committed": ("person:what:ever", '{"b":{"hmac-sha256":7}}'),
}


@pytest.mark.parametrize("case", CASES)
def test_what_hitl_web_may_write_does_not_spoil_the_bundle(
    world: World,
    done: UUID,
    case: str,
) -> None:
    action, data = CASES[case]
    before = check(make(done))
    write(action, f"incident:{done}", data.replace("INCIDENT", str(done)))
    world.integrate()
    found = check(make(done))
    assert {e.index for e in before.entries} <= {e.index for e in found.entries}


def test_an_entry_about_a_proposal_of_another_incident(world: World, done: UUID) -> None:
    """A proposal that this incident claims by a forged `agent:proposal:submitted`."""
    write("agent:proposal:submitted", f"proposal:{uuid4()}", f'{{"incident":"{done}"}}')
    world.integrate()
    check(make(done))
