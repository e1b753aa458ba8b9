"""Halts with real worker processes (A40 to A42): committed rows, one effect, a named end."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from remediation import models as m
from tests.database.logins import superuser
from tests.flows.test_crashes import PATIENCE_S, Start, start, wait_for
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["start"]  # a fixture


@pytest.fixture
def world(transactional_db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1", "t2"), "production")


@pytest.fixture
def pause(world: World) -> Path:
    """While this file exists, the call of the first step does not return."""
    path = world.directory / "wait"
    path.touch()
    world.inject({"t1": {"wait_after_apply": str(path)}})
    return path


def stop(world: World, proposal_id: UUID) -> None:
    world.halt("alice", proposal_id, "It is the key of the build host.")


def calls(world: World) -> list[tuple[str, str]]:
    return [(call["call"], call["target"]) for call in world.calls()]


def end_of(proposal_id: UUID) -> tuple[str, str]:
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None
    return end.to_state, end.reason


def test_a_halt_stops_a_worker_that_is_in_the_middle_of_a_step(
    world: World, start: Start, pause: Path
) -> None:
    proposal_id = world.approved()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    stop(world, proposal_id)
    pause.unlink()
    assert worker.wait(PATIENCE_S) == 0
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    assert end_of(proposal_id) == ("rolled_back", "halted")


def test_a40_a_halted_run_whose_worker_is_killed_is_rolled_back_by_another(
    world: World, start: Start, pause: Path
) -> None:
    proposal_id = world.approved()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    stop(world, proposal_id)
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(PATIENCE_S) == -signal.SIGKILL
    world.inject({})
    world.end_leases()
    assert start("reconcile").wait(PATIENCE_S) == 0
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    assert end_of(proposal_id) == ("rolled_back", "halted")


def test_a42_a_worker_that_slept_through_halt_and_settlement_writes_nothing(
    world: World, start: Start, pause: Path
) -> None:
    proposal_id = world.approved()
    asleep = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    asleep.send_signal(signal.SIGSTOP)
    stop(world, proposal_id)
    world.inject({})
    world.end_leases()
    assert start("reconcile").wait(PATIENCE_S) == 0
    settled = world.phases(proposal_id)
    pause.unlink()
    asleep.send_signal(signal.SIGCONT)
    assert asleep.wait(PATIENCE_S) != 0
    assert world.phases(proposal_id) == settled
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]


def test_a_worker_waits_for_a_halt_that_is_being_recorded(
    world: World, start: Start, pause: Path
) -> None:
    """The halt's transaction is open when the worker starts, so the lock decides the order."""
    proposal_id = world.approved()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    with transaction.atomic():
        stop(world, proposal_id)
        pause.unlink()
        until_a_worker_waits()
        assert worker.poll() is None
    assert worker.wait(PATIENCE_S) == 0
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    assert end_of(proposal_id) == ("rolled_back", "halted")


def test_two_people_halt_at_once_and_the_run_stops_once(
    world: World, start: Start, pause: Path
) -> None:
    """One halt must not block the other: an unverified halt may be a forgery."""
    proposal_id = world.approved()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    failed: list[BaseException] = []

    def halts(name: str) -> None:
        try:
            world.halt(name, proposal_id, f"{name} says so")
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=halts, args=(name,)) for name in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failed == []
    assert m.Halt.objects.count() == 2
    pause.unlink()
    assert worker.wait(PATIENCE_S) == 0
    assert end_of(proposal_id) == ("rolled_back", "halted")
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    # Only the first of two halts is verified; it is enough.
    assert m.HaltVerdict.objects.get().refusal == ""


@pytest.mark.parametrize("name", ["alice", "mallory"])
def test_a40_killed_between_the_halt_and_its_verdict(
    world: World, start: Start, pause: Path, name: str
) -> None:
    """The worker that finishes the run verifies the halt.

    alice's halt stops the run. mallory's does not (her key is not in the approvers file), so the
    remaining step runs once.
    """
    proposal_id = world.approved()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    world.halt(name, proposal_id, "It is the key of the build host.")
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(PATIENCE_S) == -signal.SIGKILL
    assert not m.HaltVerdict.objects.exists()
    world.inject({})
    world.end_leases()
    assert start("reconcile").wait(PATIENCE_S) == 0
    verdict = m.HaltVerdict.objects.get()
    if name == "alice":
        assert verdict.holds
        assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
        assert end_of(proposal_id) == ("rolled_back", "halted")
    else:
        assert verdict.refusal == "unknown_approver_key"
        assert calls(world) == [("apply", "t1"), ("apply", "t2")]
        assert end_of(proposal_id) == ("succeeded", "")


def test_a40_killed_while_the_halt_is_being_recorded(
    world: World, start: Start, pause: Path
) -> None:
    """A worker that is killed while it waits for the halt's transaction leaves no verdict and no
    further step; another worker verifies the halt."""
    proposal_id = world.approved()
    worker = start("execute", proposal_id)
    wait_for(Path(f"{pause}.here"))
    with transaction.atomic():
        stop(world, proposal_id)
        pause.unlink()
        until_a_worker_waits()
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(PATIENCE_S) == -signal.SIGKILL
    assert not m.HaltVerdict.objects.exists()
    assert (1, "intended") not in world.phases(proposal_id)
    world.end_leases()
    assert start("reconcile").wait(PATIENCE_S) == 0
    assert m.HaltVerdict.objects.get().holds
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    assert end_of(proposal_id) == ("rolled_back", "halted")


def until_a_worker_waits() -> None:
    """Wait until a backend of the worker's login waits for a lock."""
    with superuser(autocommit=True) as it:
        it.execute(f"SET statement_timeout = '{PATIENCE_S}s'")
        it.execute(
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_stat_activity a"
            " WHERE a.usename = 'hitl_worker' AND a.datname = current_database()"
            " AND cardinality(pg_blocking_pids(a.pid)) > 0) LOOP"
            " PERFORM pg_stat_clear_snapshot(); PERFORM pg_sleep(0.005); END LOOP; END $$"
        )
