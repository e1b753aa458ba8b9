"""Play one run: a plan of three steps, its kills, and what else happens to it.

`play` yields conditions; the campaign asks each again until it is true, so that one thread plays
several runs and starts again what was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from remediation.models import Proposal, StepRecord
from tests.executors import install
from tests.kills import traps
from tests.kills.people import People
from tests.kills.scenario import SLEEP, Kill, Scenario
from tests.kills.stack import Stack

Condition = Callable[[], bool]
Play = Iterator[tuple[str, Condition]]
ENDS = ("succeeded", "failed", "stopped", "rolled_back", "refused", "expired")
# How long a session does not end, a lock is held, after the kill.
AFTERMATH_S = 3.0


@dataclass
class Run:
    """One run and what it holds at the target."""

    scenario: Scenario
    roles: tuple[str, ...]
    stack: Stack
    people: People
    proposal: UUID | None = None
    killed: list[str] = field(default_factory=list)
    missed: int = 0  # kills whose place the run did not come to
    unknown: bool = False  # it was unknown for a while
    sessions: dict[str, psycopg.Connection[Any]] = field(default_factory=dict)
    lock: psycopg.Connection[Any] | None = None
    frozen: int | None = None

    # -- conditions -------------------------------------------------------------------------------

    def state(self) -> str:
        found = Proposal.objects.filter(pk=self.id).values_list("state", flat=True).first()
        self.unknown = self.unknown or found == "unknown"
        return str(found)

    def ended(self) -> bool:
        """Return whether the run has ended. People decide a new round of review as the first."""
        state = self.state()
        if state == "in_review":
            self.approve()
        return state in ENDS

    def undone(self) -> bool:
        """Return whether what a person signed is carried out, or was given up."""
        if self.state() != "stopped":
            return True
        rows = StepRecord.objects.filter(execution__proposal_id=self.id)
        found: dict[int, set[str]] = {}
        for step, phase in rows.values_list("step", "phase"):
            found.setdefault(step, set()).add(phase)
        taken = [phases for phases in found.values() if "applied" in phases]
        return all({"undone", "undo_failed"} & phases for phases in taken)

    def in_review(self) -> bool:
        return self.state() == "in_review"

    def approve(self) -> bool:
        state = self.state()
        if state == "in_review":
            self.people.approve(self.id)
        return self.state() not in ("submitted", "in_review")

    def submit(self) -> bool:
        if self.proposal is None:
            waits = self.scenario.twist == "wait"
            self.proposal = self.people.submit(self.roles, waits=waits)
        return True

    def make_roles(self) -> bool:
        """Make the roles of the plan, each with an open session."""
        superuser = self.stack.servers.target.superuser_dsn()
        for role in self.roles:
            with self.stack.target() as target:
                known = target.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
                if known.fetchone() is None:
                    login = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                    target.execute(login.format(sql.Identifier(role), install.PASSWORD))
                target.execute("SELECT hitl_ops.manage(%s)", [role])
            if not self._lives(role):
                dsn = install.login(superuser, role)
                self.sessions[role] = psycopg.connect(dsn, autocommit=True)
        return True

    def _lives(self, role: str) -> bool:
        """Return whether the role's session is open: the target may have been killed since."""
        try:
            self.sessions[role].execute("SELECT 1")
        except (KeyError, psycopg.Error):
            return False
        return True

    def reached(self, kill: Kill) -> bool:
        """Return whether the run is where this kill strikes."""
        role = self.roles[kill.step]
        if kill.place == "during":
            return self._operator_waits()
        if kill.place == "during_sessions":
            return self._disabled(role)
        return any(traps.here(path).exists() for path in self.traps(kill))

    def traps(self, kill: Kill) -> tuple[Any, Any]:
        step, role = f"{self.proposal}-{kill.step}", self.roles[kill.step]
        # The end of a run is trapped at its first step.
        step = f"{self.proposal}-0" if kill.place.endswith((":end", ":wait")) else step
        directory = self.stack.traps
        return traps.trap(directory, step, kill.place), traps.trap(directory, role, kill.place)

    # -- what happens to it -----------------------------------------------------------------------

    def sweeper_is_in(self, kill: Kill) -> bool:
        return self.stack.sweeper in self._in(kill)

    def _in(self, kill: Kill) -> list[int]:
        """Return the process that waits at this place."""
        where = [traps.here(path) for path in self.traps(kill)] if kill.place else []
        return [int(path.read_text()) for path in where if path.exists()]

    def set_trap(self, kill: Kill) -> None:
        if ":" in kill.place:
            for path in self.traps(kill):
                traps.here(path).unlink(missing_ok=True)
                path.touch()

    def release(self, kill: Kill) -> None:
        if ":" in kill.place:
            for path in self.traps(kill):
                path.unlink(missing_ok=True)

    def strike(self, kill: Kill) -> None:
        if kill.victim == SLEEP:
            return
        pids = self._in(kill)
        self.killed.append(self.stack.kill(kill.victim, pids[0] if pids else None))

    def take_lock(self) -> bool:
        """Lock the role's row, so that its change waits."""
        if self.lock is not None and not self.lock.closed:
            return True
        self.lock = psycopg.connect(self.stack.servers.target.superuser_dsn())
        role = self.roles[self.scenario.kills[0].step]
        self.lock.execute("SELECT FROM pg_authid WHERE rolname = %s FOR UPDATE", [role])
        return True

    def drop_lock(self) -> None:
        if self.lock is not None:
            with contextlib.suppress(psycopg.Error):
                self.lock.close()

    def freeze(self) -> bool:
        """Stop the backend of a session: it takes no signal but SIGKILL."""
        self.make_roles()
        session = self.sessions[self.roles[self.scenario.step]]
        self.frozen = session.info.backend_pid
        os.kill(self.frozen, signal.SIGSTOP)
        self.stack.stopped.add(self.frozen)
        return True

    def thaw(self) -> None:
        if self.frozen is not None and self.frozen in self.stack.stopped:
            self.stack.stopped.discard(self.frozen)
            self.stack.go_on(self.frozen)

    def close(self) -> None:
        """Let go of everything at the target, and of every process in a trap."""
        for path in self.stack.traps.glob(f"{self.proposal}-*"):
            path.unlink(missing_ok=True)
        for role in self.roles:
            for path in self.stack.traps.glob(f"{role}.*"):
                path.unlink(missing_ok=True)
        self.drop_lock()
        self.thaw()
        for session in self.sessions.values():
            with contextlib.suppress(psycopg.Error):
                session.close()

    @property
    def id(self) -> UUID:
        assert self.proposal is not None
        return self.proposal

    def _operator_waits(self) -> bool:
        if self.lock is None or self.lock.closed:
            return False
        with self.stack.target() as target:
            row = target.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE usename = 'hitl_operator' AND %s = ANY (pg_blocking_pids(pid))",
                [self.lock.info.backend_pid],
            ).fetchone()
        return bool(row and row[0])

    def _disabled(self, role: str) -> bool:
        with self.stack.target() as target:
            row = target.execute(
                "SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = %s", [role]
            ).fetchone()
        return bool(row and row[0])


def play(run: Run) -> Play:
    """Yield what is waited for, and the condition."""
    scenario = run.scenario
    yield "roles", run.make_roles
    yield "submitted", run.submit
    yield "in review", run.in_review
    yield "roles again", run.make_roles  # the target may have been killed meanwhile
    if scenario.twist in ("stuck", "open"):
        yield "a session that does not end", run.freeze
    yield from _before(run)
    yield "approved", run.approve
    if scenario.twist in ("undo", "keep"):
        yield from _halted(run)
    if scenario.twist == "after":
        yield from _undone_after(run)
        return
    if scenario.twist == "wait":
        yield from _answered(run)
        return
    for number, kill in enumerate(scenario.kills):
        yield from _killed(run, kill, scenario.kills[number + 1 :])
    yield from _aftermath(run)
    yield "the end", run.ended


def _before(run: Run) -> Play:
    first = run.scenario.kills[0]
    if run.scenario.twist in ("undo", "keep"):
        run.set_trap(_between(run))
    if run.scenario.twist != "undo":  # its places come before the halt, too
        run.set_trap(first)
    if first.place == "during":
        yield "a lock on the target", run.take_lock


def _between(run: Run) -> Kill:
    """Return the place at which a person halts."""
    return Kill("", "after:verified", run.scenario.step)


def _halted(run: Run) -> Play:
    place = _between(run)
    yield "the place of the halt", lambda: run.reached(place) or run.ended()
    if run.reached(place):
        yield "halted", lambda: run.people.halt(run.id, run.scenario.twist) or True
    if run.scenario.twist == "undo":
        run.set_trap(run.scenario.kills[0])
        run.release(place)


def _undone_after(run: Run) -> Play:
    """A kill stops the run; a person has it undone, and the second kill comes then."""
    lost, undoing = run.scenario.kills
    yield from _killed(run, lost, ())
    yield "the end", run.ended
    if run.state() != "stopped":
        return
    run.set_trap(undoing)
    yield "signed to undo", lambda: run.people.halt(run.id, "undo") or True
    yield f"{undoing.place} of step {undoing.step}", lambda: run.reached(undoing) or run.undone()
    run.missed += not run.reached(undoing)
    run.strike(undoing)
    run.release(undoing)
    yield "undone", run.undone


def _answered(run: Run) -> Play:
    """The run waits, and a person says that it goes on; the kill comes before or after that."""
    (kill,) = run.scenario.kills
    if kill.place.endswith(":wait"):
        yield from _killed(run, kill, ())
    yield "waiting", lambda: run.state() == "waiting" or run.ended()
    yield "answered", lambda: run.state() != "waiting" or run.people.answer(run.id)
    if not kill.place.endswith(":wait"):
        yield from _killed(run, kill, ())
    yield "the end", run.ended


def _killed(run: Run, kill: Kill, later: tuple[Kill, ...]) -> Play:
    if kill.place:
        yield f"{kill.place} of step {kill.step}", lambda: run.reached(kill) or run.ended()
    else:
        strikes = time.monotonic() + kill.delay
        yield "its time", lambda: time.monotonic() >= strikes
    run.missed += bool(kill.place) and not run.reached(kill)
    if kill.victim == SLEEP:
        # The sweeper is the only one that takes over: it does not sleep.
        yield "the end without it", lambda: run.sweeper_is_in(kill) or run.ended()
    for following in later:
        run.set_trap(following)
    run.strike(kill)
    run.release(kill)


def _aftermath(run: Run) -> Play:
    """A lock may outlast the kill; a session may not end for a while."""
    if run.scenario.twist in ("locked", "stuck"):
        over = time.monotonic() + AFTERMATH_S
        yield "the aftermath", lambda: time.monotonic() >= over
    run.drop_lock()
    if run.scenario.twist == "stuck":
        run.thaw()
