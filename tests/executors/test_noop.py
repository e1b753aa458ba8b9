"""test.noop simulates the failures that crash tests of other layers need."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from remediation.domain.errors import Digest, TargetUnobservable
from remediation.executors.base import Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.noop import Noop
from remediation.executors.run import run_apply, run_observe, run_rollback, run_verify
from remediation.executors.targets import Targets
from tests.executors.contract import NoopWorld, clearance, make_plan


@pytest.fixture
def world(tmp_path: Path) -> NoopWorld:
    return NoopWorld(tmp_path)


def playing(world: NoopWorld, failure: str) -> Targets:
    path = world.directory / "playing.toml"
    path.write_text(f"{world.toml()}[test.inject.alpha]\n{failure}\n", encoding="utf-8")
    return Targets.load(path, portal_system_identifier=None)


def test_each_effect_is_one_line_with_proposal_token_and_parameters(world: NoopWorld) -> None:
    plan = make_plan("test.noop", world.target, {"note": "hello"})
    given = clearance(plan)
    run_apply(given, plan.body, 0, world.targets())
    (line,) = world.calls()
    assert line.pop("at").endswith("Z")
    assert line == {
        "call": "apply",
        "target": "alpha",
        "proposal": given.proposal_id,
        "token": 1,
        "parameters": {"note": "hello"},
    }


@pytest.mark.parametrize(
    ("failure", "outcome", "calls", "settled"),
    [
        ("fail_apply = true", NotApplied, 0, Settled.NOT_APPLIED),
        ("unknown_apply = true", OutcomeUnknown, 1, Settled.APPLIED),
    ],
)
def test_apply_fails_as_told(
    world: NoopWorld, failure: str, outcome: type[Exception], calls: int, settled: Settled
) -> None:
    with pytest.raises(outcome):
        run_apply(clearance(world.plan()), world.plan().body, 0, playing(world, failure))
    assert world.changes() == calls
    assert Noop().settled(run_observe(world.step, world.targets())) is settled


def test_observe_verify_and_rollback_fail_as_told(world: NoopWorld) -> None:
    plan = world.plan()
    with pytest.raises(TargetUnobservable):
        run_observe(world.step, playing(world, "unobservable = true"))
    run_apply(clearance(plan), plan.body, 0, world.targets())
    with pytest.raises(VerifyFailed):
        run_verify(clearance(plan), plan.body, 0, playing(world, "fail_verify = true"))
    with pytest.raises(RollbackFailed):
        run_rollback(
            clearance(plan, rollback=True),
            plan.body,
            0,
            playing(world, "fail_rollback = true"),
            {"state": "on"},
        )


@pytest.mark.parametrize(
    ("moment", "calls", "settled"),
    [
        ("kill_before_apply", 0, Settled.NOT_APPLIED),
        ("kill_during_apply", 1, Settled.NOT_APPLIED),
        ("kill_after_apply", 1, Settled.APPLIED),
    ],
)
def test_a40_the_worker_is_killed_as_told(
    world: NoopWorld, moment: str, calls: int, settled: Settled
) -> None:
    playing(world, f"{moment} = true")
    script = (
        "from pathlib import Path; from remediation.executors.run import run_apply;"
        "from tests.executors.contract import *;"
        f"world = NoopWorld.__new__(NoopWorld); world.directory = Path({str(world.directory)!r});"
        "targets = Targets.load(world.directory / 'playing.toml', portal_system_identifier=None);"
        "run_apply(clearance(world.plan()), world.plan().body, 0, targets)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=300, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert world.changes() == calls
    assert Noop().settled(run_observe(world.step, world.targets())) is settled


@pytest.mark.parametrize(("moment", "calls"), [("before", 0), ("after", 1)])
def test_apply_waits_as_told(world: NoopWorld, moment: str, calls: int) -> None:
    hold, here = world.directory / "hold", world.directory / "hold.here"
    hold.touch()
    targets = playing(world, f'wait_{moment}_apply = "{hold}"')
    given, body = clearance(world.plan()), world.plan().body
    thread = threading.Thread(target=run_apply, args=(given, body, 0, targets))
    thread.start()
    while not here.exists():
        assert thread.is_alive()
    assert world.changes() == calls
    hold.unlink()
    thread.join()
    assert world.changes() == 1


def test_what_no_executor_foresaw_has_a_name_and_never_counts_as_done(world: NoopWorld) -> None:
    plan, targets = world.plan(), world.targets()
    (world.states / "alpha.json").write_text("{}")  # a KeyError inside the executor
    for call, outcome in (
        (lambda: run_observe(world.step, targets), TargetUnobservable),
        (lambda: run_apply(clearance(plan), plan.body, 0, targets), OutcomeUnknown),
        (lambda: run_verify(clearance(plan), plan.body, 0, targets), VerifyFailed),
    ):
        with pytest.raises(outcome, match="KeyError"):
            call()
    with pytest.raises(RollbackFailed, match="KeyError"):  # a snapshot that lacks the state
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, {})


def test_without_a_test_section_a_test_action_cannot_run(world: NoopWorld) -> None:
    (world.directory / "real.toml").touch()
    real = Targets.load(world.directory / "real.toml", portal_system_identifier=None)
    with pytest.raises(Digest, match="unknown_action"):
        run_apply(clearance(world.plan()), world.plan().body, 0, real)
