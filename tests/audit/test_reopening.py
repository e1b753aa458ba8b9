"""A log is reopened only with a head that somebody trusted signed, of this log and this tree."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from audit import reopening
from audit.models import Entry
from audit.origin import Start
from audit.signing import NoteSigner
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.note import Note
from audit.tlog.policy import Policy
from tests.audit.conftest import House, run, tampering
from tests.conftest import _as_login
from tests.domain import record

NEW = record.signer("portal.example/audit-2", "new")
THIEF = record.signer(record.ORIGIN, "thief")


@pytest.fixture
def log(house: House, settings: Settings) -> House:
    """A log of five entries whose policy asks for a witness."""
    house.write(5)
    house.integrate()
    settings.PROCESS = "worker"
    (house.directory / "policy").write_text(record.WITNESSED.dump(), encoding="utf-8")
    return house


def head(
    head: Checkpoint, by: NoteSigner = record.SIGNER, witness: NoteSigner | None = record.WITNESS
) -> str:
    text = head.text()
    lines = [by.line(text), *([witness.cosign(text, 1_700_000_000)] if witness else [])]
    return Note(text, tuple(lines)).dump()


def reopen(log: House, note: str, *more: str) -> str:
    """Reopen with this head; return the refusal, or nothing."""
    seen, before = log.directory / "seen", Entry.objects.count()
    seen.write_text(note, encoding="utf-8")
    with _as_login("hitl_worker"):
        try:
            call_command(
                "audit_reopen", "--vkey", str(NEW.vkey), "--seen", str(seen), "--reason", "x",
                "--out", str(log.directory / "start"), *more,
            )  # fmt: skip
        except CommandError as error:
            assert Entry.objects.count() == before
            return str(error)
    assert Entry.objects.count() == before + 1
    return ""


def hostile(log: House) -> dict[str, str]:
    """Return a head for each way in which nobody should trust it, by its refusal."""
    true = log.checkpoint()
    longer = Checkpoint(true.origin, 9, b"\x07" * 32)
    return {
        "unknown_key": head(true, THIEF),
        "bad_signature": head(true).replace("\n5\n", "\n4\n"),
        "quorum_missing": head(true, witness=None),
        "other_log": head(Checkpoint("other.example/log", 5, true.root), OTHER),
        "fork": head(Checkpoint(true.origin, 4, b"\x07" * 32)),
        "not_declared": head(longer),
    }


OTHER = record.signer("other.example/log", "other")


def test_a86_a_head_that_nobody_trusted_signed_is_refused(log: House) -> None:
    both = Policy(
        (*record.WITNESSED.logs, OTHER.vkey),
        record.WITNESSED.witnesses,
        (),
        record.WITNESSED.quorum,
    )
    (log.directory / "policy").write_text(both.dump(), encoding="utf-8")
    for refusal, note in hostile(log).items():
        assert reopen(log, note).partition(":")[0] == refusal
    assert reopen(log, head(log.checkpoint())) == ""


def test_a86_control_without_the_check_every_one_is_recorded(
    log: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believe(note: str, *_: object, **__: object) -> reopening.Reopened:
        return reopening.Reopened(Checkpoint.parse(Note.parse(note).text), 0, note)

    monkeypatch.setattr(reopening, "checked", believe)
    assert {reopen(log, note) for note in hostile(log).values()} == {""}


LONGER = Checkpoint(record.ORIGIN, 9, b"\x07" * 32)


def cosigned(head: Checkpoint) -> None:
    """Store the witness's line for a head that the database has."""
    line = str(record.WITNESS.cosign(head.text(), 1_700_000_000))
    run(
        "INSERT INTO audit.cosignature (size, witness, line) VALUES (%s, 'w', %s)",
        [head.size, line],
    )


def rewritten(log: House) -> None:
    """Another past under the heads that were signed: what the owner of the tables can make."""
    with tampering("leaf"):
        run("UPDATE audit.leaf SET hash = %s WHERE idx = 1", [b"\x09" * 32])


def test_a86_a_longer_head_is_a_declared_loss_that_a_witness_saw(log: House) -> None:
    cosigned(log.checkpoint())
    assert reopen(log, head(LONGER), "--lost") == ""
    entry = Entry.objects.order_by("-pk")[0]
    assert entry.data["data"]["lost"] == 4
    # The sequencer gets the head that proves what is left, and the digest of the entry.
    start = Start.parse((log.directory / "start").read_text(encoding="utf-8"))
    assert start is not None and start.entry == sha256(entry.body).digest()
    assert Checkpoint.parse(Note.parse(start.note).text) == log.checkpoint()
    # With a policy that asks no witness, the log's own key, perhaps the stolen one, is not enough.
    (log.directory / "policy").write_text(record.POLICY.dump(), encoding="utf-8")
    assert reopen(log, head(LONGER, witness=None), "--lost").startswith("not_witnessed")


def test_a86_a_loss_does_not_hide_that_the_rest_was_rewritten(log: House) -> None:
    """No part of the longer head proves what the database still has; an older head does."""
    cosigned(log.checkpoint())
    rewritten(log)
    assert reopen(log, head(LONGER), "--lost").startswith("fork")


def test_a86_a_loss_is_not_declared_where_no_head_proves_the_rest(log: House) -> None:
    assert reopen(log, head(LONGER), "--lost").startswith("nothing_proves_the_rest")
    # Heads by a thief, or of another log, prove nothing.
    true = log.checkpoint()
    with tampering("checkpoint"):
        run("UPDATE audit.checkpoint SET note = %s", [head(true, THIEF)])
    assert reopen(log, head(LONGER), "--lost").startswith("nothing_proves_the_rest")


def test_a86_a_loss_with_more_heads_than_entries_is_refused(log: House) -> None:
    """A database that has the signed head, but not the leaves below it, is not merely older."""
    cosigned(log.checkpoint())
    with tampering("leaf"):
        run("DELETE FROM audit.leaf WHERE idx = 4")
    assert reopen(log, head(LONGER), "--lost").startswith("fork")


def test_a86_control_without_the_comparison_a_rewritten_rest_goes_on(
    log: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reopening, "_proven_rest", lambda *_: "")
    rewritten(log)
    assert reopen(log, head(LONGER), "--lost") == ""


def test_a86_an_older_head_than_the_witnessed_one_is_refused(log: House) -> None:
    old = head(log.checkpoint())
    log.write(2)
    log.integrate()
    newest = log.checkpoint()
    cosigned(newest)
    assert reopen(log, old).startswith("not_newest")
    assert reopen(log, head(newest)) == ""


def test_a_reopening_without_a_policy_or_a_head_is_refused(
    log: House, settings: Settings, tmp_path: Path
) -> None:
    for bad in ("", "no note"):
        assert reopen(log, bad).startswith("malformed")
    settings.AUDIT_POLICY_FILE = ""
    assert "name a policy" in reopen(log, head(log.checkpoint()))


def test_a_reopening_whose_file_cannot_be_written_is_not_recorded(log: House) -> None:
    (log.directory / "start").mkdir()
    assert "nothing is recorded" in reopen(log, head(log.checkpoint()))


def test_the_sequencer_goes_on_from_the_file_of_the_ceremony(log: House) -> None:
    assert reopen(log, head(log.checkpoint())) == ""
    log.signers = [NEW]
    (log.directory / "start").replace(log.head.path)
    log.sequencer = None
    assert log.integrate() == 1
    assert log.checkpoint().origin == NEW.vkey.name
