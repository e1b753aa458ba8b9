"""Crash a worker before and after every commit of runs that wait; each time the run ends the same.

The commits come from the code: a scenario runs once to count them, then again with a crash at each.
A commit that is not in the table of phases, and one of the table that no scenario reaches, fail.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import transaction
from django.db.transaction import Atomic
from pytest_django import Settings

from remediation import models as m
from remediation.domain.states import EDGES, ProposalState
from remediation.services.execution.phases import GOES_ON
from tests.flows.waiting import WHY, Waiting

# Enough looks for every scenario to end.
MOST_TICKS = 12


class Crash(BaseException):
    """The worker is gone: no handler runs."""


@dataclass
class Commits:
    """Counts the outermost transactions of the worker, and crashes at one of them."""

    at: int = -1
    before: bool = False
    count: int = 0
    depth: int = 0
    seen: set[str] = field(default_factory=set)

    @contextmanager
    def watching(self) -> Iterator[None]:
        enter, leave = Atomic.__enter__, Atomic.__exit__

        def entered(atomic: Any) -> None:
            self.depth += 1
            enter(atomic)

        def left(atomic: Any, kind: Any, error: Any, trace: Any) -> Any:
            self.depth -= 1
            if self.depth or kind is not None:
                return leave(atomic, kind, error, trace)
            number, self.count = self.count, self.count + 1
            if number == self.at and self.before:
                crash = Crash()
                leave(atomic, Crash, crash, None)
                raise crash
            done = leave(atomic, kind, error, trace)
            if number == self.at:
                raise Crash
            return done

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Atomic, "__enter__", entered)
            patch.setattr(Atomic, "__exit__", left)
            yield


def reached() -> set[str]:
    """Return which commits of the table are on record."""
    moved = m.Transition.objects.filter(from_state__in=("approved", "executing", "waiting"))
    verdicts = m.HaltVerdict.objects.filter(halt__decision__in=("go_on", "longer"))
    return {
        *(f"step {phase}" for phase in m.StepRecord.objects.values_list("phase", flat=True)),
        *(f"{row.from_state} > {row.to_state}" for row in moved),
        *(["wait looked at"] if m.WaitLook.objects.exists() else []),
        *(["wait overdue"] if m.WaitOverdue.objects.exists() else []),
        *("answer refused" if one.refusal else "answer verified" for one in verdicts),
    }


@dataclass(frozen=True)
class Scenario:
    """What happens to a run: `people` act whenever nothing crashed, until it has ended."""

    people: Callable[[Waiting, UUID], None]
    ends: str
    steps: Callable[[Waiting], list[Any]]


def _moves(world: Waiting, proposal_id: UUID) -> None:
    world.moved()


def _answers(world: Waiting, proposal_id: UUID) -> None:
    if world.state_of(proposal_id) == "waiting" and not m.Halt.objects.filter(
        person=world.people["alice"].id
    ):
        world.answer("alice", proposal_id)


def _undoes(world: Waiting, proposal_id: UUID) -> None:
    if world.state_of(proposal_id) == "waiting" and not m.Halt.objects.exists():
        world.halt("alice", proposal_id, WHY, "undo")


def _keeps(world: Waiting, proposal_id: UUID) -> None:
    if world.state_of(proposal_id) == "waiting" and not m.Halt.objects.exists():
        world.halt("alice", proposal_id, WHY, "keep")


def _nobody(world: Waiting, proposal_id: UUID) -> None:
    if world.state_of(proposal_id) == "waiting":
        if not m.WaitOverdue.objects.exists():
            world.pass_deadline()
        world.age("waitoverdue", hours=2)


def _forges(world: Waiting, proposal_id: UUID) -> None:
    if world.state_of(proposal_id) == "waiting" and not m.Halt.objects.exists():
        world.answer("mallory", proposal_id)  # whose key is not in the approvers file
        return
    _answers(world, proposal_id)


SCENARIOS = {
    "moved": Scenario(
        _moves,
        "succeeded",
        lambda w: [
            w.make(wait=w.wait("consumers_moved")),
            w.retire(wait=w.wait("old_quiet", step=1)),
        ],
    ),
    "answered": Scenario(
        _answers, "succeeded", lambda w: [w.make(wait=w.wait(person=True)), w.retire()]
    ),
    "forged": Scenario(
        _forges, "succeeded", lambda w: [w.make(wait=w.wait(person=True)), w.retire()]
    ),
    "undone": Scenario(
        _undoes, "rolled_back", lambda w: [w.make(wait=w.wait("consumers_moved")), w.retire()]
    ),
    "kept": Scenario(
        _keeps, "stopped", lambda w: [w.make(wait=w.wait("consumers_moved")), w.retire()]
    ),
    "unanswered": Scenario(
        _nobody, "stopped", lambda w: [w.make(wait=w.wait("consumers_moved")), w.retire()]
    ),
}
# Commits that runs without a wait make; tests/flows/test_crashes.py, test_stop_and_keep.py and
# test_undo_killed.py crash there.
ELSEWHERE = {
    "step unconfirmed", "step failed", "step unknown", "step undo_failed", "executing > failed",
    "executing > stopped", "executing > unknown", "executing > rolled_back",
}  # fmt: skip


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Waiting:
    return Waiting(tmp_path, settings, ("t1",), "production")


def run_it(world: Waiting, scenario: Scenario, proposal_id: UUID, commits: Commits) -> None:
    """Run to the end; after a crash a new process takes over."""
    with commits.watching():
        try:
            _drive(world, scenario, proposal_id)
            return
        except Crash:
            pass
    # The new process knows nothing; the message may come again.
    world.sequencer = None
    _drive(world, scenario, proposal_id)


def _drive(world: Waiting, scenario: Scenario, proposal_id: UUID) -> None:
    for _ in range(MOST_TICKS):
        if world.state_of(proposal_id) == "approved":
            world.end_leases()
            world.execute(proposal_id)
        if world.state_of(proposal_id) in ("succeeded", "stopped", "rolled_back", "failed"):
            return
        scenario.people(world, proposal_id)
        world.tick()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_commit_changes_nothing_of_the_end(world: Waiting, name: str) -> None:
    scenario = SCENARIOS[name]
    world.steps = scenario.steps(world)
    proposal_id = world.approved()
    world.integrate()
    files = world.directory.parent / f"{world.directory.name}-before"
    shutil.copytree(world.directory, files)

    def again(commits: Commits) -> tuple[str, list[str], set[str]]:
        """Run from the approval, and take everything back."""
        point = transaction.savepoint()
        world.sequencer = None
        cache.clear()
        try:
            run_it(world, scenario, proposal_id, commits)
            calls = sorted(call["call"] for call in world.calls())
            return world.state_of(proposal_id), calls, reached()
        finally:
            transaction.savepoint_rollback(point)
            shutil.rmtree(world.directory)
            shutil.copytree(files, world.directory)

    whole = Commits()
    state, calls, seen = again(whole)
    assert state == scenario.ends
    assert seen <= set(GOES_ON)
    FOUND[name] = seen
    assert whole.count > 4
    for number in range(whole.count):
        for before in (True, False):
            ended, made, steps = again(Commits(number, before))
            where = (name, number, before, ended, made)
            if "step failed" in steps:
                # Between `intended` and its call: the target shows that nothing happened, and
                # nothing is tried again (A40).
                assert not before and ended == ("stopped" if made else "failed"), where
                assert len(made) < len(calls), where
            else:
                assert (ended, made) == (state, calls), where


FOUND: dict[str, set[str]] = {}


def test_the_table_names_every_phase_and_every_edge() -> None:
    phases = next(
        one for one in m.StepRecord._meta.constraints if one.name == "step_phase"
    ).condition  # type: ignore[attr-defined]
    named = {f"step {phase}" for phase in dict(phases.children)["phase__in"]}
    running = (ProposalState.EXECUTING, ProposalState.WAITING)
    edges = {f"{old} > {new}" for old, new in EDGES if old in running} | {"approved > executing"}
    assert named | edges <= set(GOES_ON)


def test_each_line_of_the_table_is_reached_by_a_scenario() -> None:
    if set(FOUND) != set(SCENARIOS):
        pytest.skip("the scenarios ran in another process")
    assert set(GOES_ON) - ELSEWHERE <= set().union(*FOUND.values())
