"""Run two or more actions at once, each in a thread with its own connection of a real login."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection, connections

from tests.database.logins import real_login, superuser

# A race that hangs must fail.
PATIENCE = 60

Racer = tuple[str, Callable[[], object]]


def race(*racers: Racer) -> list[object]:
    """Run all at once; return each result or raised exception."""
    barrier = threading.Barrier(len(racers), timeout=PATIENCE)

    def run(racer: Racer) -> object:
        login, act = racer
        try:
            with real_login(login):
                connection.ensure_connection()
                barrier.wait()
                return act()
        except Exception as error:  # the test checks it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(racers)) as pool:
        return list(pool.map(run, racers, timeout=PATIENCE))


@contextmanager
def behind(login: str, act: Callable[[], object]) -> Iterator[list[object]]:
    """Start `act` while the block's transaction holds its lock, and wait until `act` waits.

    When the block and its transaction end, `act` continues; its
    result or exception is then in the list.
    """
    found: list[object] = []
    started = threading.Event()
    backend: list[int] = []

    def run() -> None:
        try:
            with real_login(login):
                connection.ensure_connection()
                backend.append(connection.connection.info.backend_pid)
                started.set()
                found.append(act())
        except Exception as error:
            found.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(PATIENCE)
    _until_it_waits(backend[0])
    yield found
    thread.join(PATIENCE)
    assert not thread.is_alive()


def _until_it_waits(backend: int) -> None:
    """Poll the server until that backend waits for a lock."""
    with superuser(autocommit=True) as it:
        it.execute(f"SET statement_timeout = '{PATIENCE}s'")
        it.execute(
            f"DO $$ BEGIN WHILE cardinality(pg_blocking_pids({backend})) = 0 LOOP"
            " PERFORM pg_sleep(0.005); END LOOP; END $$"
        )
