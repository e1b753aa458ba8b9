"""Real sequencers and writers: no entry is lost and no log forks, whichever process is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from audit import signing
from audit.sequencer import Sequencer
from audit.serving import LOCK
from audit.tlog.checkpoint import opened
from audit.tlog.head import HeadFile
from audit.tlog.merkle import leaf_hash, root_of
from audit.verifying import verify
from tests.domain import record
from tests.settings import login_url

pytestmark = pytest.mark.django_db(transaction=True)

# Bounds a test that would otherwise hang; no passing test waits this long.
PATIENCE_S = 120.0  # a machine with other work starts a process slowly
BODY = (
    b'{"action":"person:request:refused","actor":"person:t","at":"","data":{"by":%d,"n":%d},'
    b'"object":"","v":1}'
)

Start = Callable[[], "subprocess.Popen[bytes]"]


def url(login: str) -> str:
    return login_url(login, str(connection.settings_dict["NAME"]))


def until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sequencer process; all are killed at the end."""
    secret, vkey = signing.generate(record.ORIGIN)
    key = tmp_path / "key"
    key.write_text(secret)
    key.chmod(0o400)
    (tmp_path / "vkey").write_text(vkey)
    started: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "HITL_PROCESS": "sequencer",
            "HITL_DATABASE_URL": url("hitl_sequencer"),
            "HITL_AUDIT_KEY": f"file:{key}",
            "HITL_AUDIT_HEAD_FILE": str(tmp_path / "head"),
            "DJANGO_SETTINGS_MODULE": "hitlportal.settings",
        }
        log = (tmp_path / f"log{len(started)}").open("wb")
        process = subprocess.Popen(
            [sys.executable, "manage.py", "audit_sequencer"],
            env=environment,
            cwd=Path(__file__).parents[2],
            stderr=log,
            stdout=log,
        )
        log.close()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def db() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url("hitl_sequencer"), autocommit=True) as made:
        yield made


def leaves(db: psycopg.Connection[Any]) -> int:
    row = db.execute("SELECT count(*) FROM audit.leaf").fetchone()
    return int(row[0]) if row else 0


def entries(db: psycopg.Connection[Any]) -> int:
    row = db.execute("SELECT count(*) FROM audit.entry").fetchone()
    return int(row[0]) if row else 0


def check(db: psycopg.Connection[Any], vkey: str) -> None:
    """Require one leaf for each entry, no gaps, and that every signed head is of this tree."""
    from audit.tlog.note import VerifierKey

    rows = db.execute(
        "SELECT l.idx, l.hash, e.body FROM audit.leaf l LEFT JOIN audit.entry e"
        " ON e.id = l.entry_id ORDER BY l.idx"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert all(leaf_hash(bytes(body)) == bytes(value) for _, value, body in rows)
    assert len(rows) == entries(db)
    hashes = [bytes(row[1]) for row in rows]
    key = VerifierKey.parse(vkey)
    for size, note in db.execute("SELECT size, note FROM audit.checkpoint").fetchall():
        head = opened(note, [key], verify)
        assert (head.size, head.root) == (size, root_of(hashes[:size]))


class Writers:
    """Run writers with pauses, savepoints and rollbacks; each remembers its committed entries."""

    def __init__(self, count: int) -> None:
        self.acknowledged = 0
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        n = 0
        with psycopg.connect(url("hitl_web")) as mine:
            while not self._stopped.is_set():
                written = 0
                for _ in range(chance.choice([1, 1, 1, 3])):
                    mine.execute("SAVEPOINT s")
                    mine.execute("INSERT INTO audit.entry (body) VALUES (%s)", [BODY % (number, n)])
                    n += 1
                    if chance.random() < 0.2:
                        mine.execute("ROLLBACK TO s")
                    else:
                        written += 1
                    if chance.random() < 0.2:
                        self._stopped.wait(chance.random() / 100)
                if chance.random() < 0.15:
                    mine.rollback()
                    continue
                mine.commit()
                with self._lock:
                    self.acknowledged += written


def test_nothing_is_lost_while_a_naive_reader_loses(
    start: Start, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """12 writers, one transaction open all the time. The control reads `id > last`: it must lose
    rows, or the test tests nothing."""
    start()
    seen: set[int] = set()
    last = 0
    with psycopg.connect(url("hitl_web")) as slow:
        slow.execute("INSERT INTO audit.entry (body) VALUES (%s)", [BODY % (99, 0)])
        writers = Writers(12)
        give_up = time.monotonic() + 4
        while time.monotonic() < give_up:
            rows = db.execute(
                "SELECT id FROM audit.entry WHERE id > %s ORDER BY id", [last]
            ).fetchall()
            seen.update(int(row[0]) for row in rows)
            last = max(seen, default=0)
        # Entries committed long ago have leaves while the slow transaction is open.
        until(lambda: leaves(db) > 100, "the sequencer stalls behind an open transaction")
        writers.stop()
        slow.commit()
    until(lambda: leaves(db) == entries(db), "some entry gets no leaf")
    assert leaves(db) == writers.acknowledged + 1
    every = {int(row[0]) for row in db.execute("SELECT id FROM audit.entry").fetchall()}
    assert every - seen, "the naive reader lost nothing: no race was there"
    check(db, (tmp_path / "vkey").read_text())


def test_killed_again_and_again_under_load(
    start: Start, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    writers = Writers(3)
    for _ in range(5):  # the benchmark does thirty, and kills the database too
        process = start()
        before = leaves(db)
        until(lambda before=before: leaves(db) > before, "it does not go on")  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
    writers.stop()
    start()
    until(lambda: leaves(db) == entries(db), "some entry gets no leaf")
    assert leaves(db) == writers.acknowledged
    check(db, (tmp_path / "vkey").read_text())


def test_a_second_sequencer_stands_by_and_takes_over(
    start: Start, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    first = start()
    until(lambda: locks(db) == 1, "nobody leads")
    second = start()
    until(lambda: b"standing by" in (tmp_path / "log1").read_bytes(), "the second does not wait")
    write(5)
    until(lambda: leaves(db) == 5, "the first does not integrate")
    first.kill()
    write(5)
    until(lambda: leaves(db) == 10, "the second does not take over")
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE_S) == 0
    check(db, (tmp_path / "vkey").read_text())


def test_a43_a_lock_that_another_login_holds_does_not_stop_it(
    start: Start, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Any login can take the lock during a restart; the sequencer must still start."""
    with psycopg.connect(url("hitl_web"), autocommit=True) as web:
        web.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        first = start()
        write(3)
        until(lambda: leaves(db) == 3, "it waits for a lock that is not its own")
        # Of two sequencers, the one that loses the race for a leaf restarts, and one tree remains.
        start()
        for size in range(4, 24):
            write(1)
            until(lambda size=size: leaves(db) == size, "they do not go on")  # type: ignore[misc]
        first.kill()
        write(1)
        until(lambda: leaves(db) == 24, "the second does not go on")
    check(db, (tmp_path / "vkey").read_text())


def test_one_that_starts_while_another_adds_leaves_reads_rows_of_one_moment(
    db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Count and newest head are two statements; the other commits a leaf between them."""
    secret, _ = signing.generate(record.ORIGIN)
    key = tmp_path / "key"
    key.write_text(secret)
    key.chmod(0o400)
    signers = [signing.load(f"file:{key}")]
    head = HeadFile(tmp_path / "head")
    write(2)
    with psycopg.connect(url("hitl_sequencer"), autocommit=True) as other:
        adding = Sequencer(other, signers, head)
        adding.start()
        adding.drain()

        class Interrupted(Sequencer):
            def _query(self, *asked: Any) -> list[tuple[Any, ...]]:
                found = super()._query(*asked)
                if "audit.leaf" in asked[0]:
                    write(1)
                    adding.drain()
                return found

        starting = Interrupted(db, signers, head)
        starting.start()
        assert starting.growth.size < adding.growth.size == leaves(db)


def test_a_paused_sequencer_that_lost_its_lock_writes_nothing(
    start: Start, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """It is stopped, the server ends its session, another one leads; then it continues."""
    first = start()
    write(2)
    until(lambda: leaves(db) == 2, "the first does not integrate")
    first.send_signal(signal.SIGSTOP)
    from tests import servers

    with psycopg.connect(servers.addresses().portal, autocommit=True) as root:
        root.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sequencer' AND datname = %s",
            [connection.settings_dict["NAME"]],
        )
    start()
    write(3)
    until(lambda: leaves(db) == 5, "the second does not lead")
    first.send_signal(signal.SIGCONT)
    write(3)
    until(lambda: leaves(db) == 8, "they do not go on")
    until(lambda: b"standing by" in (tmp_path / "log0").read_bytes(), "the first does not wait")
    check(db, (tmp_path / "vkey").read_text())


def test_a50_it_refuses_a_restored_database_and_says_so(
    start: Start, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    from audit.tlog.checkpoint import Checkpoint
    from audit.tlog.head import HeadFile
    from audit.tlog.note import Note

    first = start()
    write(2)
    until(lambda: leaves(db) == 2, "the first does not integrate")
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0
    # The head file is ahead of the restored database.
    signer = signing.load(f"file:{tmp_path / 'key'}")
    text = Checkpoint(record.ORIGIN, 50, bytes(32)).text()
    HeadFile(tmp_path / "head").write(Note(text, (signer.line(text),)).dump())
    second = start()
    assert second.wait(PATIENCE_S) == 3
    assert b"rollback" in (tmp_path / "log1").read_bytes()
    write(1)
    assert leaves(db) == 2


def test_a_notify_wakes_the_sequencer_at_once(start: Start, db: psycopg.Connection[Any]) -> None:
    """NOTIFY in autocommit wakes it; the benchmark measures how fast."""
    start()
    until(lambda: locks(db) == 1, "nobody leads")
    with psycopg.connect(url("hitl_web"), autocommit=True) as web:
        web.execute("INSERT INTO audit.entry (body) VALUES (%s)", [BODY % (1, 1)])
        web.execute("NOTIFY audit_want")
    until(lambda: leaves(db) == 1, "it does not come")


def write(count: int) -> None:
    with psycopg.connect(url("hitl_web"), autocommit=True) as web:
        for number in range(count):
            web.execute("INSERT INTO audit.entry (body) VALUES (%s)", [BODY % (0, number)])


def locks(db: psycopg.Connection[Any]) -> int:
    row = db.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [LOCK],
    ).fetchone()
    return int(row[0]) if row else 0
