"""Crash a worker before and after every commit of runs that wait; each time the run ends the same.

The commits come from the code: a scenario runs once to count them, then again with a crash at each.
A commit that is not in the table of phases, and one of the table that no scenario reaches, fail.

A crash after a commit is left out when it leaves what a crash before the next commit leaves: when
nothing was written between the two, neither at a target nor on the worker's host. What runs have in
common until they wait is crashed in one scenario; the others begin with a run that waits.

No broker takes part: a message only says when to look, so the test calls what a
worker calls for it. What differs from broker to broker, a message that is lost, late or delivered
again, is played by tests/kills on both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
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

ENDS = ("succeeded", "stopped", "rolled_back", "failed")
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
    # What the worker writes outside of the database, and what was there at the end of each
    # commit, before it and after it.
    files: Path = Path()
    written: list[tuple[str, str]] = field(default_factory=list)
    off: bool = False

    def points(self) -> Iterator[tuple[int, bool]]:
        """Return where to crash: before each commit, and after it if that leaves something else."""
        following = [before for before, _ in self.written[1:]] + [""]
        for number, (_, after) in enumerate(self.written):
            yield number, True
            if after != following[number]:
                yield number, False

    def _outside(self) -> str:
        found = sha256()
        paths = (*self.files.glob("state/*"), self.files / "calls.jsonl", self.files / "audit-head")
        for path in sorted(path for path in paths if path.exists()):
            found.update(f"{path.name}\n".encode() + path.read_bytes())
        return found.hexdigest()

    @contextmanager
    def watching(self) -> Iterator[None]:
        enter, leave = Atomic.__enter__, Atomic.__exit__

        def entered(atomic: Any) -> None:
            self.depth += 1
            enter(atomic)

        def left(atomic: Any, kind: Any, error: Any, trace: Any) -> Any:
            self.depth -= 1
            if self.depth or self.off or kind is not None:
                return leave(atomic, kind, error, trace)
            number, self.count = self.count, self.count + 1
            before = self._outside()
            if number == self.at and self.before:
                crash = Crash()
                leave(atomic, Crash, crash, None)
                raise crash
            done = leave(atomic, kind, error, trace)
            self.written.append((before, self._outside()))
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
    """What happens to a run: `people` act whenever nothing crashed, until it has ended.

    `reaches`: the commits of the table for which it is here. `begins`: crash until the run waits,
    else from then on.
    """

    people: Callable[[Waiting, UUID], None]
    ends: str
    steps: Callable[[Waiting], list[Any]]
    reaches: frozenset[str]
    begins: bool = False


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


def _one_wait(world: Waiting) -> list[Any]:
    return [world.make(wait=world.wait("consumers_moved")), world.retire()]


def _for_a_person(world: Waiting) -> list[Any]:
    return [world.make(wait=world.wait(person=True)), world.retire()]


def _two_waits(world: Waiting) -> list[Any]:
    return [
        world.make(wait=world.wait("consumers_moved")),
        world.retire(wait=world.wait("old_quiet", step=1)),
    ]


_STEPS = frozenset({"step intended", "step applied", "step verified"})

SCENARIOS = {
    "begins": Scenario(
        _moves,
        "succeeded",
        _one_wait,
        _STEPS | {"approved > executing", "executing > waiting"},
        begins=True,
    ),
    "moved": Scenario(
        _moves,
        "succeeded",
        _two_waits,
        _STEPS | {"wait looked at", "waiting > executing", "waiting > succeeded"},
    ),
    # Somebody forges an answer first, then a person answers.
    "answered": Scenario(
        _forges,
        "succeeded",
        _for_a_person,
        frozenset({"answer refused", "answer verified", "executing > succeeded"}),
    ),
    "undone": Scenario(
        _undoes,
        "rolled_back",
        _one_wait,
        frozenset({"step undo_intended", "step undone", "waiting > rolled_back"}),
    ),
    "kept": Scenario(_keeps, "stopped", _one_wait, frozenset({"waiting > stopped"})),
    "unanswered": Scenario(
        _nobody, "stopped", _one_wait, frozenset({"wait overdue", "waiting > stopped"})
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
            _drive(world, scenario, proposal_id, commits)
            return
        except Crash:
            pass
    # The new process knows nothing; the message may come again.
    world.sequencer = None
    _drive(world, scenario, proposal_id, Commits())


def _drive(world: Waiting, scenario: Scenario, proposal_id: UUID, commits: Commits) -> None:
    for _ in range(MOST_TICKS):
        if world.state_of(proposal_id) == "approved":
            world.end_leases()
            world.execute(proposal_id)
        if world.state_of(proposal_id) in ENDS:
            return
        commits.off = True  # those of people are not the worker's
        scenario.people(world, proposal_id)
        commits.off = scenario.begins and world.state_of(proposal_id) == "waiting"
        world.tick()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_commit_changes_nothing_of_the_end(world: Waiting, name: str) -> None:
    scenario = SCENARIOS[name]
    world.steps = scenario.steps(world)
    proposal_id = world.approved()
    world.integrate()
    if not scenario.begins:
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting"
    files = world.directory.parent / f"{world.directory.name}-before"
    shutil.copytree(world.directory, files)

    def again(commits: Commits) -> tuple[str, list[str], set[str]]:
        """Run from here, and take everything back."""
        point = transaction.savepoint()
        world.sequencer = None
        cache.clear()
        commits.files = world.directory
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
    assert scenario.reaches <= seen <= set(GOES_ON)
    for number, before in whole.points():
        ended, made, steps = again(Commits(number, before))
        where = (name, number, before, ended, made)
        if {"step failed", "step undo_failed"} & steps:
            # Between `intended` and its call: the target shows that nothing happened, and
            # nothing is tried again (A40).
            assert not before and ended == ("stopped" if made else "failed"), where
            assert len(made) < len(calls), where
        else:
            assert (ended, made) == (state, calls), where


def test_the_table_names_every_phase_and_every_edge() -> None:
    phases = next(
        one for one in m.StepRecord._meta.constraints if one.name == "step_phase"
    ).condition  # type: ignore[attr-defined]
    named = {f"step {phase}" for phase in dict(phases.children)["phase__in"]}
    running = (ProposalState.EXECUTING, ProposalState.WAITING)
    edges = {f"{old} > {new}" for old, new in EDGES if old in running} | {"approved > executing"}
    assert named | edges <= set(GOES_ON)


def test_each_line_of_the_table_is_reached_by_a_scenario() -> None:
    reached = frozenset().union(*(one.reaches for one in SCENARIOS.values()))
    assert set(GOES_ON) - ELSEWHERE == reached
