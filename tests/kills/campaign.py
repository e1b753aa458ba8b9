"""Play a campaign: several runs at a time, their kills, and the checker at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from django.db import Error as DatabaseError
from django.db import connection
from kombu.exceptions import OperationalError

from hitlportal.celery import app
from hitlportal.demo.servers.servers import PostgresCluster
from tests.kills import record
from tests.kills.checker import Finding, check
from tests.kills.history import History
from tests.kills.people import People
from tests.kills.run import Condition, Play, Run, play
from tests.kills.scenario import STEPS, Scenario
from tests.kills.stack import Stack

TICK_S = 0.03
# The product's beat sends every 2 and 5 seconds.
BEAT_S = 0.7
# Verifying the whole log takes long and belongs to no run.
LEFT_OUT = ("audit.verify",)
TROUBLE = (DatabaseError, psycopg.Error, OperationalError, OSError)


@dataclass
class Active:
    """A run that is being played, and what it waits for."""

    run: Run
    play: Play
    waits: str
    condition: Condition
    since: float

    def step(self, patience_s: float) -> bool:
        """Go on as far as possible; return False at the end. Raises TimeoutError."""
        if time.monotonic() > self.since + patience_s:
            raise TimeoutError(f"waited {patience_s:.0f} s for: {self.waits}")
        if not self.condition():
            return True
        following = next(self.play, None)
        if following is None:
            return False
        self.waits, self.condition = following
        self.since = time.monotonic()
        return True


@dataclass
class Outcome:
    """What became of a campaign."""

    history: History
    findings: list[Finding]
    runs: list[Run]
    gave_up: dict[int, str] = field(default_factory=dict)
    started_again: int = 0
    stalled: int = 0
    unsequenced: int = 0  # audit entries that the sequencer lost

    @property
    def kills(self) -> int:
        return sum(len(run.killed) for run in self.runs)

    @property
    def ends(self) -> Counter[str]:
        return Counter(case.state for case in self.history.cases)

    @property
    def reasons(self) -> Counter[str]:
        return Counter(
            f"{case.state} ({case.moves[-1].reason})" for case in self.history.cases if case.moves
        )

    @property
    def refusals(self) -> Counter[str]:
        return Counter(reason[:100] for case in self.history.cases for reason in case.refusals)

    @property
    def holds(self) -> bool:
        return not (self.findings or self.gave_up or self.unsequenced)


class Campaign:
    """All runs of one stack."""

    def __init__(
        self, stack: Stack, scenarios: Sequence[Scenario], *, at_once: int, patience: float
    ):
        self._stack, self._patience, self._at_once = stack, patience, at_once
        self._roles = {one.number: role_names(one.number) for one in scenarios}
        self._people = people = People(
            [role for roles in self._roles.values() for role in roles],
            stack.installation.login_url("operator"),
        )
        stack.approvers.write_bytes(people.cast.approvers_file())
        self._waiting = deque(Run(one, self._roles[one.number], stack, people) for one in scenarios)
        self._all = list(self._waiting)
        self._active: list[Active] = []
        self._gave_up: dict[int, str] = {}
        self._beat_at = 0.0
        self._unsequenced = -1

    def play(self) -> Outcome:
        """Play all runs; after Ctrl-C report those that have ended."""
        try:
            self._play()
        except KeyboardInterrupt:
            say("interrupted")
            for left in (*self._waiting, *(one.run for one in self._active)):
                left.close()
                self._all.remove(left)
        return self._outcome()

    def _play(self) -> None:
        while self._waiting or self._active:
            self._stack.tend()
            self._beat()
            while self._waiting and len(self._active) < self._at_once:
                self._begin(self._waiting.popleft())
            self._active = [one for one in self._active if self._step(one)]
            time.sleep(TICK_S)

    def _begin(self, run: Run) -> None:
        say(f"{run.scenario}")
        plays = play(run)
        waits, condition = next(plays)
        self._active.append(Active(run, plays, waits, condition, time.monotonic()))

    def _step(self, active: Active) -> bool:
        """Return whether the run goes on. What is down makes it wait."""
        number = active.run.scenario.number
        try:
            if active.step(self._patience):
                return True
        except Exception as error:
            if isinstance(error, TROUBLE) and not isinstance(error, TimeoutError):
                connection.close()
                return True
            self._gave_up[number] = f"{type(error).__name__}: {error}; {active.waits}"
            say(f"run {number} {active.run.proposal}: {self._gave_up[number]}")
        active.run.close()
        say(f"run {number} ended")
        return False

    def _beat(self) -> None:
        """Send in place of beat, where it does not run itself."""
        if self._stack.rabbit is not None or time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + BEAT_S
        try:
            for name in dict.fromkeys(each["task"] for each in app.conf.beat_schedule.values()):
                if name not in LEFT_OUT:
                    app.send_task(name, expires=10, retry=False)
        except TROUBLE:
            return  # the broker is down; beat's next message is as good

    def _outcome(self) -> Outcome:
        give_up = time.monotonic() + self._patience
        while not self._settled() and time.monotonic() < give_up:
            self._stack.tend()
            time.sleep(TICK_S)
        known = {str(run.proposal): run.roles for run in self._all if run.proposal is not None}
        found = record.history(self._stack, known, self._people.keys)
        ended = Outcome(found, check(found), self._all, self._gave_up)
        ended.unsequenced = self._unsequenced
        ended.started_again, ended.stalled = self._stack.started, self._stack.stalled
        return ended

    def _settled(self) -> bool:
        """Return whether both servers are up, and the sequencer has caught up."""
        if any(server.pid is None for server in self._servers()):
            return False
        try:
            self._unsequenced = record.unsequenced(self._stack)
        except psycopg.Error:
            return False
        return self._unsequenced == 0

    def _servers(self) -> tuple[PostgresCluster, ...]:
        return (self._stack.servers.portal, self._stack.servers.target)


def role_names(number: int) -> tuple[str, ...]:
    return tuple(f"k{number:04}{'abc'[step]}" for step in range(STEPS))


def say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)
