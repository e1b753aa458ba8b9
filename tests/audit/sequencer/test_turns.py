"""Endless requests: every login of the database can send NOTIFY."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import psycopg
import pytest

from audit import serving
from audit.sequencer import Sequencer
from tests.audit.test_sequencer_processes import url

pytestmark = pytest.mark.django_db(transaction=True)


class Busy:
    """Run with nothing new, unavailable witnesses, and a list that lags behind."""

    def __init__(self) -> None:
        self.behind = 10 * serving.LISTED
        self.turns = self.cosigned = 0

    def drain(self) -> int:
        self.turns += 1
        return 0

    def cosign(self) -> bool:
        self.cosigned += 1
        return False

    def index(self, limit: int) -> int:
        listed = min(limit, self.behind)
        self.behind -= listed
        return listed


@pytest.fixture
def asking() -> Iterator[None]:
    """Ask from several threads, so that a request always waits."""
    over = threading.Event()

    def ask() -> None:
        with psycopg.connect(url("hitl_web"), autocommit=True) as web:
            while not over.is_set():
                web.execute("SELECT pg_notify('audit_want', n::text) FROM generate_series(1, 9) n")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


def _serve(busy: Busy, enough: Callable[[], bool]) -> None:
    """Serve until it is enough; a busy machine takes longer."""
    give_up = time.monotonic() + 60
    with psycopg.connect(url("hitl_sequencer"), autocommit=True) as connection:
        connection.execute("LISTEN audit_want")
        sequencer = cast(Sequencer, cast(Any, busy))
        serving._turns(connection, sequencer, lambda: enough() or time.monotonic() > give_up)


def test_endless_requests_do_not_stop_the_other_work(
    asking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "COSIGN_AGAIN_S", 0.1)
    busy = Busy()
    _serve(busy, lambda: busy.turns > 5 and busy.behind == 0 and busy.cosigned > 2)
    assert busy.turns > 5
    assert busy.behind == 0
    assert busy.cosigned > 2


def test_a_list_that_lags_behind_catches_up_without_waiting() -> None:
    busy = Busy()
    done: list[float] = []

    def rested() -> bool:
        if busy.behind == 0:
            done.append(time.monotonic())
        return bool(done) and time.monotonic() > done[0] + 2 * serving.TURN_S

    _serve(busy, rested)
    assert busy.behind == 0
    assert busy.turns < 20  # then it sleeps
