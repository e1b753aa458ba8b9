"""Step 7 with real processes: ask the sequencer, wait a bounded time, keep one head a host."""

from __future__ import annotations

import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from audit import inclusion, log, tree
from audit.sequencer import Sequencer
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Rollback
from audit.tlog.head import HeadFile
from audit.tlog.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from audit.tlog.note import Note
from remediation.services.execution import execute
from remediation.services.execution import inclusion as step_7
from tests.audit.conftest import House
from tests.database.logins import connect, superuser
from tests.domain import record
from tests.flows.world import WORKER_ACTOR, World, acts

ROOT = Path(__file__).parents[3]


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def house(db: None, tmp_path: Path) -> House:
    return House(tmp_path)


def run(proposal_id: UUID) -> None:
    with acts("hitl_worker"):
        execute.execute(proposal_id, actor=WORKER_ACTOR)


# ---- asking and waiting -------------------------------------------------------------------------


@contextmanager
def sequencer_that_is_asked(directory: Path) -> Iterator[list[str]]:
    """Run the real sequencer, but only when asked."""
    asked: list[str] = []
    with connect("hitl_sequencer", autocommit=True) as listening:
        listening.execute("LISTEN audit_want")

        def work() -> None:
            for notice in listening.notifies(timeout=60, stop_after=1):
                asked.append(notice.channel)
            with connect("hitl_sequencer") as mine:
                mine.autocommit = True
                head = HeadFile(directory / "sequencer-head")
                made = Sequencer(mine, [record.signer()], head)
                made.start()
                made.drain()

        thread = threading.Thread(target=work)
        thread.start()
        yield asked
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_the_worker_asks_and_continues_as_soon_as_there_is_a_head(
    world: World, tmp_path: Path
) -> None:
    proposal_id = world.approved()
    world.settings.AUDIT_WAIT_MS = 120_000
    with sequencer_that_is_asked(tmp_path) as asked:
        began = time.monotonic()
        run(proposal_id)
        took = time.monotonic() - began
    assert asked == ["audit_want"]
    assert world.state_of(proposal_id) == "succeeded"
    assert took < 60


@pytest.mark.django_db(transaction=True)
def test_without_a_sequencer_it_refuses_in_time_and_holds_no_lock_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a transaction (it would delay every vacuum) nor the lock of the head."""
    proposal_id = world.approved()
    world.settings.AUDIT_WAIT_MS = 700
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    longest, locked = [0.0], [0]
    waiting, ended = threading.Event(), threading.Event()
    real = inclusion.wait

    def waited(*args: Any, **options: Any) -> object:
        waiting.set()
        try:
            return real(*args, **options)
        finally:
            ended.set()

    monkeypatch.setattr(inclusion, "wait", waited)

    def watch() -> None:
        with superuser(autocommit=True) as looking:
            waiting.wait(60)
            while not ended.is_set():
                row = looking.execute(
                    "SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8"
                    "  FROM pg_stat_activity WHERE pid = %s AND state <> 'active'",
                    [pid],
                ).fetchone()
                longest[0] = max(longest[0], row[0] or 0.0 if row else 0.0)
                with suppress(TimeoutError), HeadFile(world.settings.AUDIT_HEAD_FILE).locked(0):
                    locked[0] += 1
                time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    run(proposal_id)
    took = time.monotonic() - began
    monkeypatch.undo()
    waiting.set()
    ended.set()
    watcher.join()
    assert 0.5 < took < 10
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    assert world.state_of(proposal_id) == "approved"
    assert longest[0] < 0.35
    assert locked[0] > 10
    world.integrate()
    run(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_an_unreadable_log_is_refused_by_name(world: World) -> None:
    proposal_id = world.approved()
    world.integrate()
    with superuser(autocommit=True) as owner:
        owner.execute("REVOKE SELECT ON audit.leaf FROM hitl_worker")
        try:
            run(proposal_id)
        finally:
            owner.execute("GRANT SELECT ON audit.leaf TO hitl_worker")
    assert world.refusals(proposal_id) == ["audit_unavailable"]
    run(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_evidence_is_gathered_again_after_waiting(world: World, tmp_path: Path) -> None:
    """A32: a freeze set while the worker waited for the log stops the run."""
    from remediation.services.actors import ProcessActor
    from remediation.services.execution import freeze

    proposal_id = world.approved()
    world.settings.AUDIT_WAIT_MS = 120_000
    real = inclusion.wait

    def frozen_meanwhile(*args: Any, **options: Any) -> None:
        freeze.freeze(actor=ProcessActor("operator:t@t"), reason="stop")
        real(*args, **options)

    with pytest.MonkeyPatch.context() as patch, sequencer_that_is_asked(tmp_path):
        patch.setattr(inclusion, "wait", frozen_meanwhile)
        run(proposal_id)
    assert world.refusals(proposal_id) == ["frozen"]
    assert world.calls() == []


@pytest.mark.django_db
def test_asking_the_sequencer_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    inclusion.ask()
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", "1")
        inclusion.ask()
    connection.close()


# ---- one head for one host ----------------------------------------------------------------------


class Child:
    """Start a worker process that sees one of two logs."""

    def __init__(self, head: Path, policy: Path, side: str) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.services.execution.two_logs",
            str(head),
            str(policy),
            side,
        ]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.says() == "ready"

    def says(self, within: float = 60) -> str | None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], within)
        return self.process.stdout.readline().strip() if ready else None

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize("remembered", [False, True])
def test_a50_two_workers_of_one_host_never_both_accept_forked_heads(
    tmp_path: Path, remembered: bool
) -> None:
    """Each sees a log that is valid by itself; the second waits for the first, and then
    compares with what the first accepted."""
    head, policy = tmp_path / "head", tmp_path / "policy"
    policy.write_text(record.POLICY.dump())
    if remembered:
        from tests.domain.story import Story

        HeadFile(head).write(record.told(Story().evidence())[0].note(2))
    with ExitStack() as children:
        one = children.enter_context(Child(head, policy, "one"))
        other = children.enter_context(Child(head, policy, "other"))
        one.go()
        assert one.says() == "judging"
        other.go()
        assert other.says(within=0.5) is None  # it waits for the lock
        one.go()
        assert one.says() == "accepted"
        assert other.says() == "judging"
        other.go()
        assert other.says() == "bad_inclusion"
    (kept,) = (path for path in tmp_path.iterdir() if path.name == "head")
    assert Checkpoint.parse(Note.parse(kept.read_text()).text).size == 9


def test_a_worker_killed_while_verifying_leaves_the_older_head_and_no_lock(
    tmp_path: Path,
) -> None:
    head, policy = tmp_path / "head", tmp_path / "policy"
    policy.write_text(record.POLICY.dump())
    with Child(head, policy, "one") as one:
        one.go()
        assert one.says() == "judging"
    assert not head.exists()
    with Child(head, policy, "other") as other:
        other.go()
        assert other.says() == "judging"
        other.go()
        assert other.says() == "accepted"


# ---- reading proofs -------------------------------------------------------------------


def filled(house: House, count: int) -> list[int]:
    """Insert that many entries into the tree in one statement; return their ids."""
    with acts("hitl_web"), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit.entry (body) SELECT convert_to("
            '\'{"action":"person:request:refused","actor":"person:t","at":"","data":\''
            ' || \'{"n":\' || g || \'},"object":"","v":1}\', \'UTF8\')'
            " FROM generate_series(1, %s) AS g RETURNING id",
            [count],
        )
        ids = [int(row[0]) for row in cursor.fetchall()]
    house.integrate(limit=100_000)
    return ids


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 700, 66_000])
def test_proofs_hold_and_take_two_statements(house: House, count: int) -> None:
    ids = filled(house, count)
    first = house.checkpoint()
    more = house.write(3)
    house.integrate()
    asked = [ids[0], ids[count // 2], ids[-1], *more]
    with acts("hitl_worker"), CaptureQueriesContext(connection) as queries:
        found = inclusion.prove(asked, policy=record.POLICY, seen=first)
    assert len([q for q in queries if "SET ROLE" not in q["sql"]]) == 2
    head = house.policy.check(found.note).checkpoint
    assert head.size == count + 3
    for one in found.entries:
        verify_inclusion(
            leaf=leaf_hash(one.body),
            index=one.index,
            size=head.size,
            proof=one.hashes,
            root=head.root,
        )
    verify_consistency(
        old_size=first.size,
        old_root=first.root,
        new_size=head.size,
        new_root=head.root,
        proof=found.consistency,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 5, 256, 300, 700])
def test_one_statement_reads_the_same_as_tile_by_tile(house: House, size: int) -> None:
    filled(house, 700)
    query = tree.query_of("default")
    plain = tree.reader(size, query)
    for index in {0, size // 3, size // 2, size - 1}:
        for old in {0, 1, size // 3, size}:

            def wanted(read: Any, index: int = index, old: int = old) -> Any:
                return inclusion_proof(read, index, size), consistency_proof(read, old, size)

            assert wanted(tree.reader_for(size, query, wanted)) == wanted(plain)


@pytest.mark.django_db
def test_proofs_come_for_the_requested_entries_in_order(house: House) -> None:
    ids = house.write(5)
    house.integrate()
    asked = [ids[3], ids[0], ids[3]]
    found = inclusion.prove(asked, policy=record.POLICY, seen=None)
    assert [one.index for one in found.entries] == [3, 0, 3]
    assert found.consistency == ()


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["nothing asked", "no such entry", "no leaf", "no head"])
def test_an_entry_that_is_not_in_the_tree_yet_is_unavailable(house: House, what: str) -> None:
    ids = house.write(1)
    if what == "no head":
        with pytest.raises(inclusion.Unavailable, match="no head"):
            inclusion.prove(ids, policy=record.POLICY, seen=None)
        return
    house.integrate()
    late = house.write(1)
    asked = {"nothing asked": [], "no such entry": [10**9], "no leaf": [*ids, *late]}[what]
    with pytest.raises(inclusion.Unavailable):
        inclusion.prove(asked, policy=record.POLICY, seen=None)
    with pytest.raises(inclusion.Unavailable):
        inclusion.wait(asked, policy=record.POLICY, wait_s=0)


@pytest.mark.django_db
def test_a_log_shorter_than_the_remembered_head_is_a_rollback(house: House) -> None:
    ids = house.write(3)
    house.integrate()
    seen = Checkpoint(record.ORIGIN, 4, bytes(32))
    with pytest.raises(Rollback):
        inclusion.prove(ids, policy=record.POLICY, seen=seen)
    # Also when the entries are gone too.
    with pytest.raises(Rollback):
        inclusion.prove([10**9], policy=record.POLICY, seen=seen)


@pytest.mark.django_db
def test_a_private_value_is_not_part_of_the_proof(house: House) -> None:
    """Erasing it later changes no proof."""
    with acts("hitl_web"):
        made = log.append(
            action="person:user:created",
            actor="person:t",
            object="person:1",
            data={},
            private={"email": "alice@portal.example"},
        )
    house.integrate()
    before = inclusion.prove([made.id], policy=record.POLICY, seen=None)
    assert b"alice" not in before.entries[0].body
    with acts("hitl_eraser"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit.secret")
    assert inclusion.prove([made.id], policy=record.POLICY, seen=None) == before


def test_a_changed_policy_file_is_read_again(tmp_path: Path, settings: Settings) -> None:
    settings.AUDIT_POLICY_FILE = str(tmp_path / "policy")
    (tmp_path / "policy").write_text(record.POLICY.dump())
    assert step_7.policy() == record.POLICY
    (tmp_path / "policy").write_text(record.WITNESSED.dump())
    assert step_7.policy().quorum == "w"
