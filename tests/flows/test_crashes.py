"""Workers killed, stopped or racing (A40 to A42): real processes, committed rows, one effect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from remediation import models as m
from tests.flows.world import World
from tests.settings import login_url

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., "subprocess.Popen[bytes]"]
# The limit for a test that hangs; no test needs this long.
PATIENCE_S = 120  # a machine with other work starts a process slowly


@pytest.fixture
def world(transactional_db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1",), "production")


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    """Start a worker process; all are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(verb: str, proposal_id: UUID | str = "") -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "HITL_PROCESS": "worker",
            "HITL_DATABASE_URL": login_url("hitl_worker", connection.settings_dict["NAME"]),
            "HITL_TARGETS_FILE": world.settings.TARGETS_FILE,
            "HITL_APPROVERS_FILE": world.settings.APPROVERS_FILE,
            "HITL_AUDIT_POLICY_FILE": world.settings.AUDIT_POLICY_FILE,
            "HITL_AUDIT_HEAD_FILE": world.settings.AUDIT_HEAD_FILE,
            "DJANGO_SETTINGS_MODULE": "hitlportal.settings",
        }
        world.integrate()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.work", verb, str(proposal_id)],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("when", "calls", "state"),
    [
        ("kill_before_apply", 0, "failed"),
        ("kill_during_apply", 1, "failed"),
        ("kill_after_apply", 1, "succeeded"),
    ],
)
def test_a40_a_worker_killed_around_the_call_never_calls_twice(
    world: World, start: Start, when: str, calls: int, state: str
) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {when: True}})
    assert start("execute", proposal_id).wait(PATIENCE_S) == -signal.SIGKILL
    assert world.state_of(proposal_id) == "executing"
    assert world.phases(proposal_id) == [(0, "intended")]
    world.inject({})
    # A redelivered message cannot claim again; a reconciliation too early finds the lease held.
    assert start("execute", proposal_id).wait(PATIENCE_S) == 0
    assert start("reconcile").wait(PATIENCE_S) == 0
    assert world.state_of(proposal_id) == "executing"
    world.end_leases()
    assert start("reconcile").wait(PATIENCE_S) == 0
    assert world.state_of(proposal_id) == state
    assert len(world.calls()) == calls


def test_a42_two_workers_race_for_one_proposal_and_one_calls(world: World, start: Start) -> None:
    proposal_id = world.approved()
    workers = [start("execute", proposal_id) for _ in range(2)]
    assert [worker.wait(PATIENCE_S) for worker in workers] == [0, 0]
    assert world.state_of(proposal_id) == "succeeded"
    assert len(world.calls()) == 1
    assert m.Execution.objects.count() == 1


def test_a42_a_worker_stopped_past_its_lease_writes_nothing_when_it_comes_back(
    world: World, start: Start
) -> None:
    proposal_id = world.approved()
    gate = world.directory / "wait"
    gate.touch()
    world.inject({"t1": {"wait_after_apply": str(gate)}})
    asleep = start("execute", proposal_id)
    wait_for(Path(f"{gate}.here"))
    asleep.send_signal(signal.SIGSTOP)
    world.inject({})
    world.end_leases()
    assert start("reconcile").wait(PATIENCE_S) == 0
    assert world.state_of(proposal_id) == "succeeded"
    settled = world.phases(proposal_id)
    gate.unlink()
    asleep.send_signal(signal.SIGCONT)
    assert asleep.wait(PATIENCE_S) != 0
    assert world.phases(proposal_id) == settled
    assert world.state_of(proposal_id) == "succeeded"
    assert len(world.calls()) == 1


def test_a40_a_worker_killed_between_approval_and_claim_loses_nothing(
    world: World, start: Start
) -> None:
    proposal_id = world.approved()
    from remediation.services.outbox import dispatch
    from tests.factories import WORKER, backdate
    from tests.flows.world import acts

    for row in m.OutboxMessage.objects.all():
        backdate(row, seconds=5)
    with acts(WORKER):
        assert [(work.kind, work.proposal_id) for work in dispatch.due()] == [
            ("execute", proposal_id)
        ]
    world.execute(proposal_id)
    with acts(WORKER):
        assert list(dispatch.due()) == []


def test_a10_two_reviewers_at_the_same_instant_approve_once_and_lose_no_review(
    world: World,
) -> None:
    import threading

    proposal_id = world.in_review()
    failures: list[BaseException] = []

    def decide(name: str) -> None:
        try:
            world.decide(name, proposal_id)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failures == []
    assert world.state_of(proposal_id) == "approved"
    assert m.Review.objects.count() == 2
    assert m.Transition.objects.filter(to_state="approved").count() == 1
    assert m.OutboxMessage.objects.filter(kind="execute").count() == 1
    world.execute(proposal_id)
    assert len(world.calls()) == 1
