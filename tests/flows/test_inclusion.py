"""Step 7 in the worker: nothing runs that the log does not hold, or that another log holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from audit.tlog.checkpoint import Checkpoint
from audit.tlog.merkle import leaf_hash, root_of
from audit.tlog.note import Note
from audit.tlog.policy import Policy, Witness
from remediation.services import dispatch, execute
from tests.domain import record
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db


def run(world: World, proposal_id: UUID) -> None:
    """The worker, with whatever log there is now."""
    with acts("hitl_worker"):
        execute.execute(proposal_id, actor=WORKER_ACTOR)


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def superuser(*tables: str) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # foreign keys that wait for the commit
    for table in tables:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def refused(world: World, proposal_id: UUID, name: str) -> None:
    assert world.state_of(proposal_id) == "refused"
    assert world.refusals(proposal_id) == [name]
    assert world.calls() == []


def waits(world: World, proposal_id: UUID) -> None:
    """Not executed, not lost: it stays approved, and the reason is on record once."""
    run(world, proposal_id)
    assert world.state_of(proposal_id) == "approved"
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    assert world.calls() == []


def test_while_the_sequencer_is_away_nothing_runs_and_then_it_goes_on(world: World) -> None:
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
def test_a_worker_that_was_not_told_whom_to_believe_runs_nothing(world: World, name: str) -> None:
    proposal_id = world.approved()
    world.integrate()
    setattr(world.settings, name, "")
    waits(world, proposal_id)


@pytest.mark.parametrize("content", ["", "log x", "quorum none\n", "\x00"])
def test_a_policy_in_doubt_runs_nothing(world: World, content: str) -> None:
    proposal_id = world.approved()
    world.integrate()
    (world.directory / "audit-policy").write_text(content)
    waits(world, proposal_id)


def test_a_head_by_another_key_runs_nothing(world: World) -> None:
    """Whoever has the sequencer's database login and not its key."""
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
    """Row and entry together, by a database superuser: the leaf says no."""
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
    """The web login's own rows are perfect; the entry that they name is of something else."""
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
    """The row was changed after the entry: signature and statement agree, the record does not."""
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
    sql("ALTER TABLE public.remediation_transition ENABLE TRIGGER USER")  # it moves the state
    run(world, proposal_id)
    refused(world, proposal_id, "bad_inclusion")


# ---- the head that this host remembers ----------------------------------------------------------


def executed(world: World) -> Path:
    """One proposal was executed, so a head is remembered."""
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
    # What was refused moves no memory.
    assert Checkpoint.parse(Note.parse(file.read_text()).text).root == other


def signed(head: Checkpoint) -> str:
    return Note(head.text(), (record.SIGNER.line(head.text()),)).dump()


@pytest.mark.parametrize("content", ["", "not a note", "\ufffd"])
def test_a_damaged_memory_is_not_forgotten(world: World, content: str) -> None:
    file = executed(world)
    proposal_id = world.approved()
    world.integrate()
    file.write_text(content)
    run(world, proposal_id)
    assert world.calls().__len__() == 1
    assert world.state_of(proposal_id) in ("approved", "refused")
    assert file.read_text() == content


def test_the_memory_of_another_log_is_not_this_one(world: World) -> None:
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
    from hashlib import sha256

    from audit.models import Entry

    proposal_id = world.approved()
    world.execute(proposal_id)
    evidence = bytes(world.get(proposal_id).execution.evidence)
    assert len(json.loads(evidence)["log"]["entries"]) == 3
    cleared = [e for e in Entry.objects.all() if e.data["action"] == "worker:gate:cleared"]
    assert cleared[-1].data["data"]["evidence"] == sha256(evidence).hexdigest()


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
        # Never inside the business transaction.
        assert order == []
    assert order == ["ask", "wake execute"]
