"""A row that a worker works on is no other worker's, however long it takes (A72)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as CacheDown

from remediation.services.outbox import mark as marks
from remediation.services.outbox.mark import Mark
from remediation.services.outbox.take import take
from tests import factories
from tests.flows.world import World, acts

NAME = "swept:took:assess:1"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Renew often, and long: nothing here depends on the speed of the machine."""
    monkeypatch.setattr(marks, "RENEWED_S", 0.01)
    monkeypatch.setattr(marks, "HELD_S", 60.0)
    cache.clear()
    yield
    cache.clear()


def store() -> Any:
    made: Any = cache
    return made._cache.get_client(NAME, write=True)


def key() -> str:
    return str(cache.make_and_validate_key(NAME))


def left() -> int:
    return int(store().pttl(key()))


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.005)


def test_a72_while_work_runs_its_mark_is_renewed() -> None:
    mark = Mark(NAME)
    assert mark.take()
    with mark.renewed():
        for _ in range(3):
            store().pexpire(key(), 20_000)
            until(lambda: left() > 40_000)
            assert not Mark(NAME).take()


def test_a_mark_that_the_cache_lost_is_set_again() -> None:
    mark = Mark(NAME)
    assert mark.take()
    with mark.renewed():
        store().delete(key())
        until(lambda: left() > 0)
    assert not Mark(NAME).take()


def test_a_worker_that_lost_its_mark_leaves_the_others_alone() -> None:
    late, other = Mark(NAME), Mark(NAME)
    assert late.take()
    store().delete(key())  # it stood still for longer than HELD_S
    assert other.take()
    theirs = store().get(key())
    store().pexpire(key(), 20_000)
    with late.renewed():
        pass
    assert not late.write(60.0)
    assert store().get(key()) == theirs and left() <= 20_000
    assert other.write(1.0)


def test_the_mark_of_a_killed_worker_ends() -> None:
    ready, started = os.pipe()
    child = os.fork()
    if not child:
        mark = Mark(NAME)
        mark.take()
        with mark.renewed():
            store().pexpire(key(), 20_000)
            until(lambda: left() > 40_000)
            os.write(started, b"1")
            time.sleep(600)
    os.read(ready, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    store().pexpire(key(), 500)  # a thread that lives would renew it long before
    until(lambda: not store().exists(key()))
    assert Mark(NAME).take()
    os.close(ready)
    os.close(started)


def test_an_unreachable_cache_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> bool:
        raise CacheDown("no route")

    mark = Mark(NAME)
    monkeypatch.setattr(mark, "_client", type("Down", (), {"set": down, "eval": down})())
    assert mark.take()
    with mark.renewed():
        pass
    assert mark.write(1.0)


def seconds_look(world: World, *, renewed: bool) -> int:
    """Return how many rows a second worker tries while the first looks for longer than HELD_S."""
    world.submit()
    tried = []

    def slowly(_: UUID) -> None:
        (mine,) = store().keys("*took:assess*")
        store().pexpire(mine, 1)  # HELD_S is over
        if renewed:
            until(lambda: store().pttl(mine) > 40_000)
        else:
            until(lambda: not store().exists(mine))
        tried.append(take("assess", work=lambda key: None))

    with acts(factories.WORKER):
        assert take("assess", work=slowly) == 1
    return tried[0]


@pytest.mark.django_db
def test_a72_a_slow_look_is_not_done_twice(tmp_path, settings) -> None:  # type: ignore[no-untyped-def]
    assert seconds_look(World(tmp_path, settings), renewed=True) == 0


@pytest.mark.django_db
def test_a72_control_without_a_renewal_a_slow_look_is_done_twice(
    tmp_path,
    settings,
    monkeypatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(marks, "RENEWED_S", 600.0)
    assert seconds_look(World(tmp_path, settings), renewed=False) == 1
