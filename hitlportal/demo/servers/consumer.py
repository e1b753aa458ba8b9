"""A program that uses a PostgreSQL role as services do: a pool, a credential from files, requests.

    python -m hitlportal.demo.servers.consumer --dsn host=... --credential DIR --name orders-api
        --reload poll --pool 3 --log FILE

DIR is what a store promotes (`current` of a file store): the files `password` and, if the role
changes too, `username`. How it learns a new value:

    signal   on SIGHUP it reads the files and replaces the pool at leisure
    poll     it looks at the files twice a second, and does the same when they changed
    age      a pooled connection lives for --age seconds; each new one reads the files
    refused  it reads the files when a sign-in is refused
    never    it reads them once, at its start

It answers on a port of the loopback interface, which it prints: GET /work does one query on a
pooled connection (200, or 503 when that failed), GET /count gives its counts as JSON. With --every
it also does such a query by itself, again and again. It logs one line for each failure, with the
server's first line and never with a credential.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psycopg

RELOADS = ("signal", "poll", "age", "refused", "never")
POLL_SECONDS = 0.5
CONNECT_SECONDS = 4

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Counts:
    """What happened since the start."""

    done: int = 0
    failed: int = 0
    sign_ins: int = 0
    refused: int = 0  # sign-ins
    reloads: int = 0
    first_failure: float | None = None
    last_failure: float | None = None
    version: str = ""  # of the credential of the newest sign-in, as the store names it
    last_done: float = 0.0
    longest_gap: float = 0.0  # between two queries that were done, in seconds

    def did(self, now: float) -> None:
        if self.done:
            self.longest_gap = max(self.longest_gap, now - self.last_done)
        self.done, self.last_done = self.done + 1, now


@dataclass
class Pooled:
    """A connection, and of which reading of the credential it is."""

    connection: Connection
    generation: int
    made: float = field(default_factory=time.monotonic)


class Consumer:
    """The pool and its credential."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._directory = Path(options.credential)
        self._lock = threading.Lock()
        self._idle: queue.Queue[Pooled] = queue.Queue()
        self._places = threading.Semaphore(options.pool)
        self._generation = 0
        self._credential = self._read()
        self.counts = Counts()
        self._log = Path(options.log) if options.log else None

    def start(self) -> None:
        """Fill the pool."""
        for _ in range(self._options.pool):
            self._idle.put(self._connect())

    def work(self) -> bool:
        """Do one query; return whether it was done."""
        with self._places:
            try:
                pooled = self._take()
                pooled.connection.execute("SELECT 1")
            except (psycopg.Error, OSError) as error:
                self._failed(error)
                return False
            self._give_back(pooled)
            with self._lock:
                self.counts.did(time.time())
            return True

    def reload(self) -> None:
        """Read the credential again; connections of the earlier one are replaced when idle."""
        try:
            found = self._read()
        except OSError:
            return  # between two versions
        with self._lock:
            if found == self._credential:
                return
            self._credential = found
            self._generation += 1
            self.counts.reloads += 1

    def work_always(self, pause: float) -> None:
        """Work without being asked, until the process ends."""
        while True:
            self.work()
            time.sleep(pause)

    def keep(self) -> None:
        """Replace idle connections that are old, and poll, until the process ends."""
        while True:
            time.sleep(POLL_SECONDS)
            if self._options.reload == "poll":
                self.reload()
            self._replace_idle()

    def _read(self) -> tuple[str, str, str]:
        # Once: `current` may come to mean another version between two files.
        directory = self._directory.resolve()
        name = directory / "username"
        user = name.read_text().strip() if name.exists() else self._options.user
        return user, (directory / "password").read_text().strip(), directory.name

    def _stale(self, pooled: Pooled) -> bool:
        if self._options.reload == "age":
            return bool(time.monotonic() - pooled.made > self._options.age)
        return pooled.generation != self._generation

    def _replace_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            for _ in range(self._idle.qsize()):
                pooled = self._idle.get_nowait()
                if self._stale(pooled):
                    # The new one first: if it is refused, the old one goes on.
                    with contextlib.suppress(psycopg.Error, OSError):
                        fresh = self._connect()
                        pooled.connection.close()
                        pooled = fresh
                self._give_back(pooled)

    def _give_back(self, pooled: Pooled) -> None:
        if self._idle.qsize() < self._options.pool:
            self._idle.put(pooled)
        else:  # one that was made while this one was looked at took its place
            pooled.connection.close()

    def _take(self) -> Pooled:
        try:
            pooled = self._idle.get_nowait()
        except queue.Empty:
            return self._connect()
        try:
            pooled.connection.execute("SELECT")
        except psycopg.Error:  # the server ended it
            pooled.connection.close()
            return self._connect()
        return pooled

    def _connect(self) -> Pooled:
        if self._options.reload == "age":
            self.reload()
        try:
            return self._sign_in()
        except psycopg.OperationalError:
            if self._options.reload != "refused":
                raise
            self.reload()
            return self._sign_in()

    def _sign_in(self) -> Pooled:
        with self._lock:
            (user, password, version), generation = self._credential, self._generation
        try:
            connection = psycopg.connect(
                self._options.dsn,
                user=user,
                password=password,
                application_name=self._options.name,
                connect_timeout=CONNECT_SECONDS,
                autocommit=True,
            )
        except psycopg.Error:
            with self._lock:
                self.counts.refused += 1
            raise
        with self._lock:
            self.counts.sign_ins += 1
            self.counts.version = version
        return Pooled(connection, generation)

    def _failed(self, error: Exception) -> None:
        now = time.time()
        with self._lock:
            self.counts.failed += 1
            self.counts.first_failure = self.counts.first_failure or now
            self.counts.last_failure = now
        if self._log is not None:
            with self._log.open("a") as log:
                log.write(f"{now:.3f} {str(error).partition(chr(10))[0]}\n")


class Handler(BaseHTTPRequestHandler):
    consumer: ClassVar[Consumer]

    def do_GET(self) -> None:
        if self.path == "/count":
            self._answer(200, json.dumps(vars(self.consumer.counts)))
        elif self.path == "/work":
            done = self.consumer.work()
            self._answer(200 if done else 503, "done" if done else "failed")
        else:
            self._answer(404, "")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A consumer of a PostgreSQL role.")
    parser.add_argument("--dsn", required=True, help="without user and password")
    parser.add_argument("--credential", required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("--name", required=True, help="application_name")
    parser.add_argument("--reload", choices=RELOADS, default="poll")
    parser.add_argument("--pool", type=int, default=3)
    parser.add_argument("--age", type=float, default=2.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default="")
    parser.add_argument("--every", type=float, default=0.0, help="seconds; 0: only when asked")
    consumer = Consumer(parser.parse_args())
    consumer.start()
    options = consumer._options
    if options.reload == "signal":
        signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=consumer.reload).start())
    Handler.consumer = consumer
    if options.every:
        threading.Thread(target=consumer.work_always, args=[options.every], daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    threading.Thread(target=consumer.keep, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
