"""The sequencer, step by step: leaves, nodes, heads, and every refusal to continue."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from audit import tree
from audit.sequencer import HeadMissing, Sequencer
from audit.tlog import merkle
from audit.tlog.checkpoint import opened
from audit.tlog.errors import Fork, Malformed, Mismatch, Rollback, UnknownKey
from audit.tlog.head import HeadFile
from audit.tlog.merkle import leaf_hash
from audit.tlog.note import Note, signed_by
from audit.tlog.policy import Policy
from audit.verifying import verify
from tests.audit.conftest import House, rows, run, tampering
from tests.conftest import _as_login
from tests.domain import record


def bodies() -> list[bytes]:
    found = rows(
        "SELECT e.body FROM audit.leaf l JOIN audit.entry e ON e.id = l.entry_id ORDER BY l.idx"
    )
    return [bytes(row[0]) for row in found]


def test_committed_entries_become_leaves_under_a_signed_head(house: House) -> None:
    house.write(3)
    assert house.integrate() == 3
    head = house.checkpoint()
    assert (head.origin, head.size) == (record.ORIGIN, 3)
    assert head.root == merkle.root_of([leaf_hash(body) for body in bodies()])
    assert house.head.read() == house.sequencer.note  # type: ignore[union-attr]
    # Nothing new: nothing is signed.
    assert house.integrate() == 0
    assert rows("SELECT count(*) FROM audit.checkpoint") == [(1,)]


def test_stored_nodes_give_the_pure_root_at_every_head(house: House) -> None:
    """Batches of odd sizes across the boundaries of tiles, and a new process in between."""
    chance = random.Random(7)
    total = 0
    while total < 1_100:
        count = chance.choice([1, 2, 5, 100, 255, 256, 257])
        house.write(count)
        total += house.integrate()
        if chance.random() < 0.3:
            house.open()
    hashes = [leaf_hash(body) for body in bodies()]
    for size, note in rows("SELECT size, note FROM audit.checkpoint ORDER BY size"):
        head = opened(note, record.POLICY.logs, verify)
        assert (head.size, head.root) == (size, merkle.root_of(hashes[:size]))
        reader = tree.reader(size, lambda s, p: rows(s, list(p)))
        assert merkle.tree_root(reader, size) == head.root
    assert rows("SELECT count(*) FROM audit.node") == [(total // 256,)]


def test_a_batch_has_a_limit_and_the_rest_follows(house: House) -> None:
    house.write(25)
    assert [house.integrate(10) for _ in range(4)] == [10, 10, 5, 0]


def test_a_rolled_back_entry_leaves_no_leaf(house: House) -> None:
    house.write(1)
    try:
        with transaction.atomic():
            house.write(2)
            raise ValueError
    except ValueError:
        pass
    house.write(1)
    assert house.integrate() == 2


def test_signing_again_gives_the_same_bytes(house: House) -> None:
    """A head has no time, so a head lost in a crash is made again with the same bytes."""
    house.write(2)
    point = transaction.savepoint()
    house.integrate()
    first = house.sequencer.note  # type: ignore[union-attr]
    transaction.savepoint_rollback(point)
    house.head.path.unlink()
    house.open()
    house.integrate()
    assert house.sequencer.note == first  # type: ignore[union-attr]


# ---- start: refuse by name, repair nothing ------------------------------------------------------


def test_a_crash_between_commit_and_file_is_noticed_and_continued(house: House) -> None:
    house.write(2)
    house.integrate()
    before = house.head.read()
    house.write(2)
    house.integrate()
    house.head.write(before or "")
    house.open()
    assert house.head.read() == house.sequencer.note  # type: ignore[union-attr]


def test_a_crash_at_the_first_head_is_continued_too(house: House) -> None:
    house.write(1)
    house.integrate()
    house.head.path.unlink()
    house.open()
    assert house.head.read() is not None


def test_a50_a_restored_dump_is_a_rollback(house: House) -> None:
    house.write(2)
    house.integrate()
    point = transaction.savepoint()
    house.write(3)
    house.integrate()
    transaction.savepoint_rollback(point)
    with pytest.raises(Rollback):
        house.open()
    assert house.head.read() is not None


def test_a50_an_emptied_database_is_a_rollback(house: House) -> None:
    point = transaction.savepoint()
    house.write(2)
    house.integrate()
    transaction.savepoint_rollback(point)
    with pytest.raises(Rollback):
        house.open()


def test_a50_another_history_of_the_same_or_a_greater_size_is_a_fork(house: House) -> None:
    point = transaction.savepoint()
    house.write(2)
    house.integrate()
    kept = house.head.read()
    for more in (2, 5):
        transaction.savepoint_rollback(point)
        house.head.path.unlink()
        house.write(more, object="thing:other")
        house.open()
        house.integrate()
        house.head.write(kept or "")
        with pytest.raises(Fork):
            house.open()


def test_a_lost_head_file_is_not_taken_for_the_first_use(house: House) -> None:
    for _ in range(2):
        house.write(1)
        house.integrate()
    house.head.path.unlink()
    with pytest.raises(HeadMissing):
        house.open()
    house.head.path.write_text("")
    with pytest.raises(Malformed):
        house.open()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.leaf SET hash = sha256('x') WHERE idx = 299",
        "DELETE FROM audit.leaf WHERE idx = 1",
        "DELETE FROM audit.leaf WHERE idx = 299",
        "INSERT INTO audit.leaf (idx, entry_id, hash) VALUES (300, 0, sha256('x'))",
        "UPDATE audit.node SET hash = sha256('x')",
        "DELETE FROM audit.checkpoint",
        "DELETE FROM audit.checkpoint WHERE size = 300",
    ],
)
def test_a50_rows_that_do_not_give_the_signed_root_are_refused(
    house: House, statement: str
) -> None:
    for count in (10, 290):
        house.write(count)
        house.integrate()
    with tampering("leaf", "node", "checkpoint"):
        run(statement)
    with pytest.raises((Mismatch, Rollback, Malformed)):
        house.open()


def test_a_head_by_another_key_is_not_continued(house: House) -> None:
    house.write(1)
    house.integrate()
    house.signers = [record.signer(seed="another")]
    with pytest.raises(UnknownKey):
        house.open()


def test_it_never_signs_a_root_that_the_rows_do_not_give(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a flipped bit in memory or a missing row, the batch is lost, not the log."""
    house.write(2)
    sequencer = house.open()
    store = Sequencer._store

    def flawed(
        self: Sequencer, first: int, found: object, hashes: list[bytes], nodes: object
    ) -> None:
        store(self, first, found, [b"\0" * 32, *hashes[1:]], nodes)  # type: ignore[arg-type]

    monkeypatch.setattr(Sequencer, "_store", flawed)
    with _as_login("hitl_sequencer"), pytest.raises(Mismatch):
        sequencer.integrate()
    assert rows("SELECT count(*) FROM audit.leaf") == [(0,)]
    assert house.head.read() is None


# ---- keys ---------------------------------------------------------------------------------------


def test_while_a_key_is_replaced_both_sign_and_either_is_enough(house: House) -> None:
    old, new = record.signer(), record.signer(seed="new")
    house.signers = [old, new]
    house.write(1)
    house.integrate()
    note = house.sequencer.note  # type: ignore[union-attr]
    assert len(Note.parse(note).signatures) == 2
    for signer in (old, new):
        assert Policy.single(signer.vkey).check(note, verify).checkpoint.size == 1
    assert signed_by(Note.parse(note), [new.vkey], verify) == (new.vkey,)
    house.signers = [new]
    house.open()


def test_the_file_is_written_before_anything_else_is_signed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write(1)
    sequencer = house.open()

    def full(self: HeadFile, note: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(HeadFile, "write", full)
    with _as_login("hitl_sequencer"), pytest.raises(OSError, match="No space"):
        sequencer.integrate()
    if not connection.needs_rollback:
        monkeypatch.undo()
        house.open()  # the database's head is ahead of the file and consistent with it


def test_an_unavailable_key_service_is_waited_for_and_a_fork_is_not(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    from django.core.management import CommandError, call_command

    from audit import signing
    from audit.management.commands import audit_sequencer as command

    secret, _ = signing.generate(record.ORIGIN)
    (tmp_path / "key").write_text(secret)
    (tmp_path / "key").chmod(0o400)
    settings.PROCESS, settings.AUDIT_HEAD_FILE = "sequencer", str(tmp_path / "head")
    settings.AUDIT_KEY, settings.AUDIT_KEY_NEXT = f"file:{tmp_path / 'key'}", ""
    settings.AUDIT_POLICY_FILE = ""
    came = [signing.KeyUnavailable("away"), Fork("another past")]
    monkeypatch.setattr(command, "AGAIN_S", 0.0)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)

    def serve(*_: object) -> None:
        raise came.pop(0)

    monkeypatch.setattr(command.serving, "serve", serve)
    with pytest.raises(CommandError, match="fork") as caught:
        call_command("audit_sequencer")
    assert caught.value.returncode == 3
    assert not came
