"""`python -m tests.benchmarks.log`: the audit log's speed, as ratios within one run.

Prints each figure beside its aim and never fails on one. Servers write durably.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from hitlportal.demo.servers.postgres import PostgresCluster
from tests.benchmarks.house import House, house

BODY = (
    b'{"action":"person:review:started","actor":"person:00000000-0000-4000-8000-%012d",'
    b'"at":"2026-11-24T04:00:00.000000+00:00","data":{"data":{"filler":"%s"},"phase":"applied",'
    b'"step":0,"token":1},"object":"proposal:00000000-0000-4000-8000-000000000000","v":1}'
)


def body(number: int) -> bytes:
    """Return about 300 bytes, like the entries measured for the design."""
    return BODY % (number, b"x" * 110)


def say(what: str, found: str, aim: str = "") -> None:
    print(f"{what:58} {found:>22}  {aim}", flush=True)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# ---- appending ----------------------------------------------------------------------------------


def django_save(rounds: int) -> None:
    """Time a Django save in its transaction, alternately with and without one append."""
    from django.contrib.auth.models import Group
    from django.db import transaction

    from audit import log

    row = Group.objects.create(name="benchmark")

    def save(with_entry: bool) -> float:
        began = time.perf_counter()
        with transaction.atomic():
            found = Group.objects.select_for_update().get(pk=row.pk)
            found.save()
            if with_entry:
                log.append(
                    action="person:request:refused",
                    actor="person:benchmark",
                    object="proposal:x",
                    data={"step": 0, "phase": "applied", "filler": "x" * 110},
                )
        return time.perf_counter() - began

    plain, ours = [], []
    for _ in range(rounds):
        plain.append(save(False))
        ours.append(save(True))
    ratio = statistics.median(ours[20:]) / statistics.median(plain[20:])
    say("append, beside a Django save without it", f"{ratio:.2f} x", "aim <= 1.25")


def throughput(built: House, clients: int, seconds: float, rounds: int) -> None:
    """Time a business transaction (lock, update, insert) with and without the entry."""
    dsn = built.servers.portal.superuser_dsn("hitlportal")
    with psycopg.connect(dsn, autocommit=True) as root:
        root.execute("CREATE TABLE public.bench (id int PRIMARY KEY, n int)")
        root.execute("CREATE TABLE public.bench_event (id bigserial, n int)")
        root.execute("INSERT INTO public.bench SELECT n, 0 FROM generate_series(1, 1000) n")
        root.execute(
            "GRANT ALL ON public.bench, public.bench_event, public.bench_event_id_seq TO hitl_web"
        )

    def one_round(with_entry: bool) -> float:
        stop, counts = time.perf_counter() + seconds, [0] * clients

        def work(number: int) -> None:
            chance = random.Random(number)
            with psycopg.connect(built.installation.login_url("web")) as mine:
                while time.perf_counter() < stop:
                    key = chance.randint(1, 1000)
                    mine.execute("SELECT n FROM bench WHERE id = %s FOR UPDATE", [key])
                    mine.execute("UPDATE bench SET n = n + 1 WHERE id = %s", [key])
                    mine.execute("INSERT INTO bench_event (n) VALUES (%s)", [key])
                    if with_entry:
                        mine.execute("INSERT INTO audit.entry (body) VALUES (%s)", [body(key)])
                    mine.commit()
                    counts[number] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / seconds

    ratios = []
    for _ in range(rounds):
        plain, ours = one_round(False), one_round(True)
        ratios.append(ours / plain)
    said = f"{statistics.median(ratios):.2f} x"
    say(f"transactions of {clients} clients with an entry each", said, "aim >= 0.75")


# ---- on demand ----------------------------------------------------------------------------------


def on_demand(built: House, count: int) -> None:
    """Time from the commit of an entry to the requested signed head that covers it."""
    spans = []
    with (
        psycopg.connect(built.installation.login_url("web"), autocommit=True) as web,
        psycopg.connect(built.installation.login_url("worker"), autocommit=True) as worker,
    ):
        for number in range(count):
            row = web.execute(
                "INSERT INTO audit.entry (body) VALUES (%s) RETURNING id", [body(number)]
            ).fetchone()
            began = time.perf_counter()
            web.execute("NOTIFY audit_want")
            assert row is not None
            while not worker.execute(
                "SELECT 1 FROM audit.leaf l JOIN audit.checkpoint c ON c.size > l.idx"
                " WHERE l.entry_id = %s LIMIT 1",
                [row[0]],
            ).fetchone():
                pass
            spans.append((time.perf_counter() - began) * 1000)
            time.sleep(0.02)
    spans = spans[20:]
    said = f"{percentile(spans, 0.5):.1f} / {percentile(spans, 0.99):.1f} ms"
    say("commit to signed head on demand, p50 / p99", said, "aim p99 < 50 ms")


# ---- proofs -------------------------------------------------------------------------------------


def proofs(built: House, sizes: tuple[int, int]) -> None:
    """Inclusion proofs out of synthetic trees, read by the worker's login. Only shapes matter: the
    hashes are made by the database, so they prove nothing."""
    from audit import tree
    from audit.tlog.merkle import inclusion_proof

    dsn = built.servers.portal.superuser_dsn("hitlportal")
    medians = []
    with psycopg.connect(dsn, autocommit=True) as root:
        root.execute("SET session_replication_role = replica")
        for table in ("leaf", "node"):
            root.execute(f"ALTER TABLE audit.{table} DISABLE TRIGGER USER".encode())
        done = 0
        for size in sizes:
            root.execute(
                "INSERT INTO audit.leaf SELECT n, n + 1000000000, sha256(int8send(n))"
                " FROM generate_series(%s::bigint, %s::bigint - 1) n ON CONFLICT DO NOTHING",
                [done, size],
            )
            for level in (1, 2):
                root.execute(
                    "INSERT INTO audit.node SELECT %s, n, sha256(int8send(n))"
                    " FROM generate_series(0, %s::bigint / (256 ^ %s)::bigint - 1) n"
                    " ON CONFLICT DO NOTHING",
                    [level, size, level],
                )
            root.execute("ANALYZE audit.leaf, audit.node")
            medians.append(_proof_time(built, size, tree.reader, inclusion_proof))
            done = size
    ratio = medians[1] / medians[0]
    said = f"{ratio:.2f} x ({medians[0]:.2f}, {medians[1]:.2f} ms)"
    say(f"inclusion proof at {sizes[1]:,} beside {sizes[0]:,} leaves", said, "aim <= 1.5")


def _proof_time(
    built: House, size: int, reader: Callable[..., Any], prove: Callable[..., Any]
) -> float:
    chance = random.Random(1)
    with psycopg.connect(built.installation.login_url("worker"), autocommit=True) as worker:

        def query(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
            return worker.execute(statement.encode(), list(parameters)).fetchall()

        spans = []
        for _ in range(300):
            index = chance.randrange(size // 65536 * 65536)
            began = time.perf_counter()
            prove(reader(size, query), index, size)
            spans.append((time.perf_counter() - began) * 1000)
    return statistics.median(spans[50:])


# ---- offline ------------------------------------------------------------------------------------


def offline(count: int) -> None:
    """Verify a directory of that many entries with one process, beside openssl's sha256."""
    from audit import signing
    from audit.tlog import directory
    from audit.tlog.checkpoint import Checkpoint
    from audit.tlog.growth import Growth
    from audit.tlog.note import Note
    from audit.tlog.policy import Policy
    from audit.tlog.tiles import WIDTH, entries_path, pack_entries, tile_path

    signer = signing.parse(signing.generate("benchmark/offline")[0])
    with tempfile.TemporaryDirectory() as name:
        path, growth = Path(name), Growth()
        rows: list[list[bytes]] = [[], [], []]
        count -= count % (WIDTH * WIDTH)

        def put(where: str, content: bytes) -> None:
            (path / where).parent.mkdir(parents=True, exist_ok=True)
            (path / where).write_bytes(content)

        for number in range(count // WIDTH):
            entries = [body(number * WIDTH + at) for at in range(WIDTH)]
            hashes = [sha256(b"\0" + one).digest() for one in entries]
            put(entries_path(number), pack_entries(entries))
            put(tile_path(0, number), b"".join(hashes))
            for row, _, value in growth.add_full_tile(hashes)[1]:
                rows[row].append(value)
        for row in (1, 2):
            for at in range(0, len(rows[row]), WIDTH):
                tile = rows[row][at : at + WIDTH]
                put(tile_path(row, at // WIDTH, len(tile)), b"".join(tile))
        text = Checkpoint("benchmark/offline", count, growth.root()).text()
        put("checkpoint", Note(text, (signer.line(text),)).dump().encode())
        spans = []
        for _ in range(3):
            began = time.perf_counter()
            directory.verify(path, Policy.single(signer.vkey))
            spans.append(time.perf_counter() - began)
    ours = count / min(spans)
    limit = 1 / (_openssl(len(body(0)) + 1) + _openssl(65))
    say(
        f"offline verification of {count:,} entries, one core",
        f"{ours / limit:.2f} of openssl ({ours / 1e6:.2f} M/s)",
        "aim >= 0.35",
    )


def _openssl(octets: int) -> float:
    """Return the seconds that openssl takes for one SHA-256 of this size on one core."""
    done = subprocess.run(
        ["openssl", "speed", "-seconds", "1", "-bytes", str(octets), "-evp", "sha256"],
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(one for one in done.stdout.splitlines() if one.lower().startswith("sha256"))
    return octets / (float(line.split()[-1].rstrip("k")) * 1000)


# ---- kills --------------------------------------------------------------------------------------


def kills(built: House, rounds: int) -> None:
    """Under load, kill -9 the sequencer; every fifth time stop the database immediately."""
    acknowledged, stopped = [0], threading.Event()

    def write() -> None:
        number = 0
        while not stopped.is_set():
            try:
                with psycopg.connect(
                    built.installation.login_url("web"), autocommit=True, connect_timeout=5
                ) as mine:
                    while not stopped.is_set():
                        mine.execute("INSERT INTO audit.entry (body) VALUES (%s)", [body(number)])
                        number += 1
                        acknowledged[0] += 1
            except psycopg.Error:
                time.sleep(0.05)

    dsn = built.servers.portal.superuser_dsn("hitlportal")
    with psycopg.connect(dsn) as root:
        before = root.execute("SELECT count(*) FROM audit.entry").fetchone()
    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    sequencer = built.start_sequencer()
    for number in range(rounds):
        time.sleep(1.6)
        if number % 5 == 4:
            _crash(built.servers.portal)
        else:
            os.kill(sequencer.pid, signal.SIGKILL)
            sequencer.kill()
            sequencer = built.start_sequencer()
    stopped.set()
    for thread in threads:
        thread.join()
    written, waiting = _settled(dsn)
    assert before is not None
    forked = _forked(dsn)
    lost = max(0, acknowledged[0] - (written - int(before[0]))) + waiting
    say(f"{rounds} kills under load: lost, forked", f"{lost}, {forked}", "aim 0, 0")


def _settled(dsn: str) -> tuple[int, int]:
    """Return the entries, and those without a leaf when all writing has ended."""
    give_up = time.monotonic() + 60
    while True:
        with psycopg.connect(dsn) as root:
            row = root.execute(
                "SELECT (SELECT count(*) FROM audit.entry), (SELECT count(*) FROM audit.leaf)"
            ).fetchone()
        assert row is not None
        waiting = int(row[0]) - int(row[1])
        if waiting == 0 or time.monotonic() > give_up:
            return int(row[0]), waiting
        time.sleep(0.2)


def _crash(cluster: PostgresCluster) -> None:
    """Stop as in a power cut: no checkpoint, recovery from the WAL."""
    pid = cluster.pid
    assert pid is not None
    os.kill(pid, signal.SIGQUIT)
    while cluster.pid is not None:
        time.sleep(0.05)
    cluster.start()


def _forked(dsn: str) -> int:
    """Return how many of all signed heads are not of the one tree."""
    from audit.tlog.checkpoint import Checkpoint
    from audit.tlog.growth import Growth
    from audit.tlog.note import Note

    growth, wrong = Growth(), 0
    with psycopg.connect(dsn) as root:
        heads = {
            int(size): Checkpoint.parse(Note.parse(note).text).root
            for size, note in root.execute("SELECT size, note FROM audit.checkpoint").fetchall()
        }
        for (value,) in root.execute("SELECT hash FROM audit.leaf ORDER BY idx"):
            growth.extend([bytes(value)])
            root_then = heads.get(growth.size)
            wrong += root_then is not None and root_then != growth.root()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.log", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    quick = parser.parse_args().quick
    with house() as built:
        os.environ.update(built.environment("web"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.settings"
        import django

        django.setup()
        on_demand(built, 60 if quick else 400)
        kills(built, 5 if quick else 30)
        built.stop_children()
        django_save(100 if quick else 600)
        throughput(built, 16, 1.0 if quick else 4.0, 2 if quick else 5)
        offline(131_072 if quick else 1_048_576)
        proofs(built, (100_000, 1_000_000) if quick else (1_000_000, 10_000_000))


if __name__ == "__main__":
    sys.exit(main())
