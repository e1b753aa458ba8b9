"""Step 7 of the gate: nothing runs without inclusion in the trusted log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from audit import log
from audit.log import Appended
from audit.models import Entry
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.head import HeadFile
from audit.tlog.merkle import leaf_hash, root_of
from audit.tlog.note import Note
from audit.tlog.policy import Policy, Witness
from remediation.domain.statement import Statement
from remediation.executors import run as executors
from remediation.models import Review
from remediation.services.execution import confirm, execute
from remediation.services.outbox import dispatch
from tests.domain import record
from tests.flows.conftest import MakeWorld
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db


def run(world: World, proposal_id: UUID) -> None:
    """Run the worker with the present log."""
    with acts("hitl_worker"):
        execute.execute(proposal_id, actor=WORKER_ACTOR)


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


def superuser(*tables: str) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # check deferred foreign keys now
    for table in tables:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def refused(world: World, proposal_id: UUID, name: str) -> None:
    assert world.state_of(proposal_id) == "refused"
    assert world.refusals(proposal_id) == [name]
    assert world.calls() == []


def waits(world: World, proposal_id: UUID) -> None:
    """Check that the proposal stays approved and that the reason is recorded once."""
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "approved"
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    assert world.calls() == []


def test_without_the_sequencer_a_run_waits_and_continues_later(world: World) -> None:
    proposal_id = world.approved()
    waits(world, proposal_id)
    run(world, proposal_id)
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    world.integrate()
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert len(world.calls()) == 1


def test_a_half_integrated_approval_is_not_enough(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.integrate()
    world.decide("bob", proposal_id)
    waits(world, proposal_id)


@pytest.mark.parametrize("name", ["AUDIT_POLICY_FILE", "AUDIT_HEAD_FILE"])
def test_a_worker_without_a_log_policy_runs_nothing(world: World, name: str) -> None:
    proposal_id = world.approved()
    world.integrate()
    setattr(world.settings, name, "")
    waits(world, proposal_id)


@pytest.mark.parametrize("content", ["", "log x", "quorum none\n", "\x00"])
def test_an_unreadable_log_policy_runs_nothing(world: World, content: str) -> None:
    proposal_id = world.approved()
    world.integrate()
    (world.directory / "audit-policy").write_text(content)
    waits(world, proposal_id)


def test_a_head_by_another_key_runs_nothing(world: World) -> None:
    """The attacker has the sequencer's database login, but not its key."""
    proposal_id = world.approved()
    world.signer = record.signer(seed="thief")
    world.integrate()
    waits(world, proposal_id)


def test_a_quorum_of_witnesses_is_waited_for(world: World) -> None:
    proposal_id = world.approved()
    world.integrate()
    witness = Witness("w", record.WITNESS.vkey)
    policy = Policy(record.POLICY.logs, (witness,), (), "w")
    (world.directory / "audit-policy").write_text(policy.dump())
    waits(world, proposal_id)
    assert world.sequencer is not None
    text = Note.parse(world.sequencer.note).text
    sql(
        "INSERT INTO audit.cosignature (size, witness, line) VALUES (%s, 'w', %s)",
        world.sequencer.growth.size,
        str(record.WITNESS.cosign(text, 1_800_000_000)),
    )
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_a_false_cosignature_of_a_known_witness_is_refused_for_good(world: World) -> None:
    proposal_id = world.approved()
    world.integrate()
    policy = Policy(record.POLICY.logs, (Witness("w", record.WITNESS.vkey),), (), "w")
    (world.directory / "audit-policy").write_text(policy.dump())
    sql(
        "INSERT INTO audit.cosignature (size, witness, line) SELECT size, 'w', %s"
        " FROM audit.checkpoint",
        str(record.WITNESS.cosign("another head\n", 1)),
    )
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


def test_a50_an_entry_changed_after_it_was_integrated(world: World) -> None:
    """A database superuser changes row and entry; the leaf does not match."""
    proposal_id = world.approved()
    world.integrate()
    superuser("audit.entry")
    sql(
        "UPDATE audit.entry SET body = convert_to(replace(convert_from(body, 'UTF8'),"
        ' \'"slot":"security"\', \'"slot":"securitz"\'), \'UTF8\')'
        " WHERE convert_from(body, 'UTF8')::jsonb ->> 'action' = 'person:review:signed'"
    )
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


def test_a43_a_review_row_that_points_to_another_entry(world: World) -> None:
    """The web login's rows are valid, but their entry is about something else."""
    proposal_id = world.approved()
    world.integrate()
    superuser("public.remediation_review")
    sql(
        "UPDATE public.remediation_review SET entry ="
        " (SELECT min(id) FROM audit.entry) WHERE slot = 'security'"
    )
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


def test_a43_a_review_whose_statement_is_not_the_recorded_one(world: World) -> None:
    """The row was changed later: signature and statement match, the entry does not."""
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    entry = world.get(proposal_id).reviews.get().entry
    superuser("audit.entry")
    sql(
        "UPDATE audit.entry SET body = convert_to(jsonb_set(convert_from(body, 'UTF8')::jsonb,"
        " '{data,statement,nonce}', '\"00\"')::text, 'UTF8') WHERE id = %s",
        entry,
    )
    world.decide("bob", proposal_id)
    world.integrate()
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


def test_a_transition_that_is_not_in_the_log(world: World) -> None:
    proposal_id = world.approved()
    world.integrate()
    superuser("public.remediation_transition")
    sql(
        "UPDATE public.remediation_transition SET entry ="
        " (SELECT min(id) FROM audit.entry) WHERE to_state = 'approved'"
    )
    sql(
        "ALTER TABLE public.remediation_transition ENABLE TRIGGER USER"
    )  # this trigger changes the state
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


# ---- a taken-over web process: its own login, the database's own guards --------------------------

Change = Callable[[dict[str, Any]], None]


def forging(monkeypatch: pytest.MonkeyPatch, action: str, change: Change) -> Callable[[], None]:
    """The web process records entries that differ from its rows, until `stop()`."""
    real = log.append

    def append(**given: Any) -> Any:
        if given["action"] == action:
            given = {**given, "data": json.loads(json.dumps(given["data"]))}
            change(given)
        return real(**given)

    monkeypatch.setattr(log, "append", append)
    return lambda: monkeypatch.setattr(log, "append", real)


def put(*path: str, value: Any) -> Change:
    def change(given: dict[str, Any]) -> None:
        for key in path[:-1]:
            given = given[key]
        given[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("data", "statement", "nonce", value="00" * 32),
        put("data", "statement", "round", value=7),
        put("data", "statement", value={}),
        put("data", "assertion", "signature", value="AA"),
        put("data", "cose_key", value="AA"),
        put("data", value={}),
        put("action", value="person:observation:asked"),
    ],
)
def test_a43_web_writes_a_right_review_that_rests_on_a_forged_entry(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """All rows are valid and signed by alice and bob, but an entry differs."""
    proposal_id = world.in_review()
    stop = forging(monkeypatch, "person:review:signed", change)
    world.decide("alice", proposal_id)
    stop()
    world.decide("bob", proposal_id)
    world.integrate()
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


@pytest.mark.parametrize(
    "change",
    [
        put("data", "round", value=7),
        put("data", "round", value="1"),
        lambda given: given["data"].pop("round"),
        put("action", value="person:proposal:withdrawn"),
    ],
)
def test_a43_web_approves_by_an_entry_that_says_something_else(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    stop = forging(monkeypatch, "person:proposal:approved", change)
    world.decide("bob", proposal_id)
    stop()
    world.integrate()
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


@pytest.mark.parametrize(
    "body",
    [
        b'{"action":"person:review:signed","actor":"%s","object":"%s","data":{"n":1.5}}',
        b'{"action":"x","actor":"%s","object":"%s","action":"person:review:signed","data":{}}',
        b'{"action":"person:review:signed","actor":"%s","object":"%s","data":{"\xc3\xa9":1}}',
        b'{"action":"person:review:signed","actor":"%s","object":"%s","data":' + b"[" * 60
        + b"]" * 60 + b"}",
    ],
)  # fmt: skip
def test_a06_an_entry_that_parsers_read_differently_is_no_entry_of_a_review(
    world: World, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """The web login may insert any bytes that PostgreSQL accepts as a JSON object."""
    proposal_id = world.in_review()

    def append(**given: Any) -> Any:
        if given["action"] != "person:review:signed":
            return real(**given)
        raw = body % (given["actor"].encode(), given["object"].encode())
        ((number,),) = rows("INSERT INTO audit.entry (body) VALUES (%s) RETURNING id", raw)
        return Appended(number, raw)

    real = log.append
    with monkeypatch.context() as patch:
        patch.setattr(log, "append", append)
        world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.integrate()
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


# ---- somebody who can do everything to the database ---------------------------------------------


def test_a50_review_and_entry_rewritten_together_with_another_signature_of_hers(
    world: World,
) -> None:
    """alice colludes with the superuser and signs again.

    After a head covers the first review, the second signature is a forgery of the record.
    """
    proposal_id = world.approved()
    world.integrate()
    row = Review.objects.get(proposal_id=proposal_id, person=world.people["alice"].id)
    statement = replace(Statement.parse(bytes(row.statement)), nonce="ab" * 32)
    made = world.people["alice"].passkey.assertion(
        statement.challenge(), world.settings.RP_ID, world.settings.ORIGIN
    )
    superuser("audit.entry", "public.remediation_review")
    sql(
        "UPDATE public.remediation_review SET statement = %s, authenticator_data = %s,"
        " client_data_json = %s, signature = %s WHERE id = %s",
        *(statement.body(), made.authenticator_data, made.client_data_json, made.signature),
        row.pk,
    )
    ((body,),) = rows("SELECT body FROM audit.entry WHERE id = %s", row.entry)
    said = json.loads(bytes(body))
    said["data"] |= {"statement": statement.to_json(), "assertion": made.to_json()}
    sql("UPDATE audit.entry SET body = %s WHERE id = %s", encode(said), row.entry)
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


@pytest.mark.parametrize("body", [b"{\xff}", b"\xc3\xc3", b"nonsense", b"[]"])
def test_a50_an_entry_that_is_no_text_any_more(world: World, body: bytes) -> None:
    proposal_id = world.approved()
    world.integrate()
    number = Review.objects.filter(proposal_id=proposal_id).earliest("id").entry
    superuser("audit.entry")
    sql("ALTER TABLE audit.entry DROP CONSTRAINT entry_is_json")
    sql("UPDATE audit.entry SET body = %s WHERE id = %s", body, number)
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit.leaf SET hash = sha256(hash) WHERE idx = 0",
        "UPDATE audit.leaf SET hash = sha256(hash) WHERE idx = (SELECT max(idx) FROM audit.leaf)",
        "DELETE FROM audit.leaf WHERE idx = 0",
        "UPDATE audit.checkpoint SET note = replace(note, 'portal', 'p0rtal')",
        "UPDATE audit.checkpoint SET note = ''",
        "UPDATE audit.checkpoint SET note = regexp_replace(note, '.{5}=(.)$', 'AAAAA=\\1')",
    ],
)
def test_a50_whatever_is_changed_in_the_tree_nothing_runs(world: World, damage: str) -> None:
    proposal_id = world.approved()
    world.integrate()
    superuser("audit.leaf", "audit.checkpoint")
    sql(damage)
    run(world, proposal_id)
    assert world.calls() == []
    assert world.refusals(proposal_id) in (["bad_inclusion"], ["audit_unavailable"])
    assert world.state_of(proposal_id) in ("refused", "approved")


def test_step_7_is_asked_again_before_each_step(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A65: the log is changed after the first step: the second step does not run, and the first
    stays applied."""
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    real = executors.run_verify

    def tampered(*given: Any) -> Any:
        with acts("hitl_owner"):
            superuser("audit.leaf")
            sql("UPDATE audit.leaf SET hash = sha256(hash)")
        return real(*given)

    monkeypatch.setattr(confirm, "run_verify", tampered)
    world.execute(proposal_id)
    assert world.refusals(proposal_id) == ["bad_inclusion"]
    assert [(c["call"], c["target"]) for c in world.calls()] == [("apply", "t1")]
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "off")


# ---- the head that this host remembers ----------------------------------------------------------


def executed(world: World) -> Path:
    """A world with one executed proposal, so that a head is remembered."""
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    return Path(world.settings.AUDIT_HEAD_FILE)


def test_the_accepted_head_is_kept_and_grows(world: World) -> None:
    file = executed(world)
    first = Checkpoint.parse(Note.parse(file.read_text()).text)
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    second = Checkpoint.parse(Note.parse(file.read_text()).text)
    assert second.size > first.size > 0


def test_a50_a_log_shorter_than_remembered_is_refused_for_good(world: World) -> None:
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    head = Checkpoint.parse(Note.parse(file.read_text()).text)
    file.write_text(signed(Checkpoint(head.origin, 10_000, head.root)))
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "refused"
    assert world.refusals(proposal_id) == ["bad_inclusion"]


def test_a50_a_log_with_another_past_is_refused_for_good(world: World) -> None:
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    head = Checkpoint.parse(Note.parse(file.read_text()).text)
    other = root_of([leaf_hash(str(n).encode()) for n in range(head.size)])
    file.write_text(signed(Checkpoint(head.origin, head.size, other)))
    run(world, proposal_id)
    assert world.refusals(proposal_id) == ["bad_inclusion"]
    # A refused head does not change the memory.
    assert Checkpoint.parse(Note.parse(file.read_text()).text).root == other


def signed(head: Checkpoint) -> str:
    return Note(head.text(), (record.SIGNER.line(head.text()),)).dump()


def test_the_first_head_that_a_host_sees_is_believed_and_that_is_on_record(world: World) -> None:
    """Trust on first use: removing the head file repeats it, and that is recorded."""
    file = executed(world)
    first = Checkpoint.parse(Note.parse(file.read_text()).text)
    for _ in range(2):
        world.execute(world.approved())
    file.unlink()
    world.execute(world.approved())
    found = [said["data"]["remembered"] for said in entries("worker:gate:cleared")]
    assert found[:2] == [None, first.size]
    assert found[2] > first.size
    assert found[3] is None


def entries(action: str) -> list[dict[str, Any]]:
    return [e.data for e in Entry.objects.order_by("id") if e.data["action"] == action]


def bit(text: str, of: str) -> str:
    """Return the text with one bit of this part changed."""
    at = text.index(of)
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


DAMAGE: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "no note": lambda text: "not a note",
    "no text": lambda text: "\ufffd",
    "cut": lambda text: text[:-20],
    "too long": lambda text: text * 20_000,
    "root": lambda text: bit(text, text.split("\n")[2][5:]),
    "size": lambda text: text.replace("\n", "\n1", 1),
    "signature": lambda text: bit(text, text.split(" ")[-1][20:]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_memory_is_neither_forgotten_nor_taken_for_a_fork(
    world: World, damage: str
) -> None:
    """Nothing runs until an operator repairs the file; the proposal is not refused."""
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    before = file.read_text()
    damaged = DAMAGE[damage](before)
    file.write_text(damaged)
    run(world, proposal_id)
    run(world, proposal_id)
    assert (world.state_of(proposal_id), len(world.calls())) == ("approved", 1)
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    assert file.read_text() == damaged
    file.write_text(before)
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_a_memory_that_cannot_be_read_is_not_forgotten(world: World) -> None:
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    file.unlink()
    file.mkdir()
    run(world, proposal_id)
    assert world.refusals(proposal_id) == ["audit_unavailable"]


@pytest.mark.parametrize("name", ["AUDIT_POLICY_FILE", "AUDIT_HEAD_FILE"])
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o620])
def test_files_that_others_can_write_are_not_trusted(world: World, name: str, mode: int) -> None:
    """Their writer decides which log is trusted; the approvers file has the same rule."""
    executed(world)
    proposal_id = world.approved()
    world.integrate()
    Path(getattr(world.settings, name)).chmod(mode)
    run(world, proposal_id)
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    Path(getattr(world.settings, name)).chmod(0o640)
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_waiting_for_a_held_lock_has_a_limit(world: World) -> None:
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    world.settings.AUDIT_WAIT_MS = 50
    with HeadFile(file).locked():
        run(world, proposal_id)
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_a50_tables_cut_back_to_an_older_signed_head(world: World) -> None:
    """No signature shows a clean cut, but the worker's host remembers the head."""
    file = executed(world)
    kept = Checkpoint.parse(Note.parse(file.read_text()).text).size
    proposal_id = world.approved()
    superuser("audit.leaf", "audit.node", "audit.checkpoint", "audit.cosignature")
    assert world.sequencer is not None
    hashes = [bytes(h) for (h,) in rows("SELECT hash FROM audit.leaf ORDER BY idx")]
    old = Checkpoint(world.sequencer.origin, kept - 2, root_of(hashes[: kept - 2]))
    sql("DELETE FROM audit.checkpoint")
    sql("DELETE FROM audit.leaf WHERE idx >= %s", kept - 2)
    sql("INSERT INTO audit.checkpoint (size, note) VALUES (%s, %s)", old.size, signed(old))
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "refused"
    assert world.refusals(proposal_id) == ["bad_inclusion"]
    assert Checkpoint.parse(Note.parse(file.read_text()).text).size == kept


def test_a50_the_cut_is_seen_though_the_log_grew_again(world: World) -> None:
    """After the cut, an attacker with the stolen key extends the log beyond the seen size."""
    file = executed(world)
    head = Checkpoint.parse(Note.parse(file.read_text()).text)
    proposal_id = world.approved()
    world.integrate()
    superuser("audit.entry", "audit.leaf", "audit.node", "audit.checkpoint", "audit.cosignature")
    other = b'{"v":1,"action":"worker:notice:sent","actor":"worker:t","object":"x","data":{}}'
    sql(
        "UPDATE audit.entry SET body = %s"
        " WHERE id = (SELECT entry_id FROM audit.leaf WHERE idx = 1)",
        other,
    )
    sql("UPDATE audit.leaf SET hash = %s WHERE idx = 1", leaf_hash(other))
    hashes = [bytes(h) for (h,) in rows("SELECT hash FROM audit.leaf ORDER BY idx")]
    forged = Checkpoint(head.origin, len(hashes), root_of(hashes))
    assert forged.size > head.size
    sql("UPDATE audit.checkpoint SET note = %s WHERE size = %s", signed(forged), forged.size)
    run(world, proposal_id)
    assert world.refusals(proposal_id) == ["bad_inclusion"]


def test_a_head_before_the_one_seen_is_no_rollback_while_newer_ones_lack_witnesses(
    world: World,
) -> None:
    """The policy was tightened and a witness is unavailable: the worker waits."""
    file = executed(world)
    assert world.sequencer is not None
    world.integrate()
    newest = Note.parse(world.sequencer.note).text
    proposal_id = world.approved()
    world.execute(proposal_id)
    kept = file.read_text()
    later = world.approved()
    world.integrate()
    size = Checkpoint.parse(newest).size
    assert size < Checkpoint.parse(Note.parse(kept).text).size
    witness(world, newest, size)
    waits_for(world, later)
    assert file.read_text() == kept
    witness(world, Note.parse(world.sequencer.note).text, world.sequencer.growth.size)
    run(world, later)
    assert world.state_of(later) == "succeeded"


def witness(world: World, text: str, size: int) -> None:
    """Require a witness from now on, and add its line under this head."""
    policy = Policy(record.POLICY.logs, (Witness("w", record.WITNESS.vkey),), (), "w")
    (world.directory / "audit-policy").write_text(policy.dump())
    sql(
        "INSERT INTO audit.cosignature (size, witness, line) VALUES (%s, 'w', %s)",
        size,
        str(record.WITNESS.cosign(text, 1_800_000_000)),
    )


def waits_for(world: World, proposal_id: UUID) -> None:
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "approved"
    assert world.refusals(proposal_id) == ["audit_unavailable"]


def test_a_key_that_was_replaced_is_no_other_log(world: World) -> None:
    """The remembered head has only the old key's signature; the policy names only the new key."""
    executed(world)
    proposal_id = world.approved()
    new = record.signer(seed="new")
    (world.directory / "audit-policy").write_text(Policy.single(new.vkey).dump())
    world.integrate()
    assert world.sequencer is not None
    text = Note.parse(world.sequencer.note).text
    both = Note(text, (record.SIGNER.line(text), new.line(text))).dump()
    superuser("audit.checkpoint")
    size = world.sequencer.growth.size
    sql("UPDATE audit.checkpoint SET note = %s WHERE size = %s", both, size)
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_the_remembered_head_of_another_log_is_refused(world: World) -> None:
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    other = record.signer("other.example/log")
    text = Checkpoint("other.example/log", 1, bytes(32)).text()
    file.write_text(Note(text, (other.line(text),)).dump())
    run(world, proposal_id)
    assert world.refusals(proposal_id) == ["bad_inclusion"]


# ---- every step, and what is stored -------------------------------------------------------------


def test_what_the_gate_saw_replays_and_its_digest_is_on_record(world: World) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    evidence = bytes(world.get(proposal_id).execution.evidence)
    assert len(json.loads(evidence)["log"]["entries"]) == 3
    (cleared,) = entries("worker:gate:cleared")
    assert cleared["data"]["evidence"] == sha256(evidence).hexdigest()


def test_the_log_is_asked_after_the_approval_and_before_the_broker(
    world: World, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    from audit import inclusion

    order: list[str] = []
    monkeypatch.setattr(inclusion, "ask", lambda using="default": order.append("ask"))
    monkeypatch.setattr(dispatch, "wake", lambda kind, key: order.append(f"wake {kind}"))
    proposal_id = world.in_review()
    with django_capture_on_commit_callbacks(execute=True):
        world.decide("alice", proposal_id)
    assert order == []
    with django_capture_on_commit_callbacks(execute=True):
        world.decide("bob", proposal_id)
        # It must be outside the business transaction.
        assert order == []
    assert order == ["ask", "wake execute"]
