"""test.noop, for tests and benchmarks: its targets are JSON files, and it can inject failures.

The actions on test things (things.py) have the same files and failures.

A target `name` is `state_dir/name.json`, `{"exists": true, "state": "on"}`; without a file it
exists and is on. Applying the action sets it to "off". Before each change a JSON line is appended
to the `file` of the targets file. Failures, in [test.inject.<name>]:

    unobservable = true            observe fails
    fail_apply = true              apply is refused and changes nothing
    unknown_apply = true           apply changes the state and then loses the answer
    fail_verify = true             verify fails
    fail_rollback = true           rollback fails
    stale = true                   observe shows the state before the change (a read that lags)
    traces = "JSON"                what the action is about to end; `fail_traces`: it cannot be read
    open = "FILE"                  something stays open while this file exists; tightening does not
                                   end it
    wait_before_apply = "FILE"     apply, or its return, waits while this file exists
    wait_after_apply = "FILE"      (FILE.here is created when it begins to wait); no timeout
    kill_before_apply = true       the worker is killed (SIGKILL) before, in the middle of, or
    kill_during_apply = true       after the change
    kill_after_apply = true

Its section of the targets file, only where test.noop may run:

    [test]
    file = "..."                   one JSON line for each call that changes something
    state_dir = "..."              one JSON file for each target name
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.test import NOOP
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, Target
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.driver import Places
from remediation.executors.errors import (
    ClearanceRefused,
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.section import Section, Table
from remediation.executors.targets import Targets

ON, OFF = "on", "off"


@dataclass(frozen=True)
class NoopTarget(Places):
    """The files with test.noop's record and its targets' states."""

    provider: ClassVar[str] = "test"
    file: Path
    state_dir: Path
    inject: Mapping[str, Table]
    least: str = ""

    def environment(self, target: Target) -> str:
        return self.least


def read(section: Section) -> NoopTarget:
    return NoopTarget(
        section.path("file"),
        section.path("state_dir"),
        section.tables("inject"),
        section.environment(),
    )


class Noop(Executor):
    """test.noop"""

    spec = NOOP

    def observe(self, step: Step, targets: Targets) -> Observation:
        target = TestFiles(step, targets)
        if target.plays("unobservable"):
            raise TargetUnobservable("injected")
        state = target.state()
        if state is None:
            return GONE
        if target.plays("stale"):
            state = ON
        return Observation(True, {"state": state}, {"open": target.open()}, simulated=True)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        target = TestFiles(step, targets)
        if target.plays("fail_traces"):
            raise TargetUnobservable("injected")
        return target.traces()

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        if not observation.exists:
            return (Point(step.target.locator, None),)
        found = observation.shown["open"]
        open_ = tuple(str(text) for text in found) if isinstance(found, list) else ()
        off = observation.state["state"] == OFF and not open_
        return (Point(step.target.locator, off, open_),)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        TestFiles(step, targets, clearance).call("tighten", clearance)
        return Outcome()

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        target = TestFiles(step, targets, clearance)
        target.wait("wait_before_apply")
        if target.plays("fail_apply") or not target.is_there():
            raise NotApplied("injected, or there is no such target")
        target.kill("kill_before_apply")
        target.call("apply", clearance)
        target.kill("kill_during_apply")
        target.write(OFF)
        target.kill("kill_after_apply")
        target.wait("wait_after_apply")
        if target.plays("unknown_apply"):
            raise OutcomeUnknown("injected")
        if target.open():
            raise PartlyApplied(f"off, but open: {target.open()}")
        return Outcome({"state": OFF})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        target = TestFiles(step, targets)
        try:
            seen = self.observe(step, targets)
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        if target.plays("fail_verify") or seen.state.get("state") != OFF or target.open():
            raise VerifyFailed("injected, or it is not off")
        return Outcome({"state": OFF}, seen)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        target = TestFiles(step, targets, clearance)
        target.call("rollback", clearance)
        if target.plays("fail_rollback"):
            raise RollbackFailed("injected") from NotApplied("injected")
        target.write(str(snapshot["state"]))
        return Outcome(snapshot)


class TestFiles:
    """The files of one target; writable only with a clearance."""

    def __init__(self, step: Step, targets: Targets, clearance: Clearance | None = None) -> None:
        files = targets.of(NoopTarget)
        if files is None:
            raise TargetUnobservable("the targets file has no [test]")
        self._files = files
        self._name = step.target.fields["name"]
        self._step = step
        self._cleared = type(clearance) is Clearance
        self._played = files.inject.get(self._name, {})

    @property
    def _path(self) -> Path:
        return self._files.state_dir / f"{self._name}.json"

    def plays(self, failure: str) -> bool:
        return self._played.get(failure) is True

    def state(self) -> str | None:
        """Return on or off, or None if it does not exist. Raises TargetUnobservable."""
        held = self.held({"exists": True, "state": ON})
        return str(held["state"]) if held["exists"] else None

    def held(self, usual: dict[str, Json]) -> dict[str, Json]:
        """Return the target's file; `usual` without a file. Raises TargetUnobservable."""
        found = self.read(self._path)
        return usual if found is None else found

    def seen(self) -> dict[str, Json]:
        """Return the file of what is seen of the consumers; empty without it."""
        return self.read(self._path.with_suffix(".seen.json")) or {}

    def read(self, path: Path) -> dict[str, Json] | None:
        if not path.exists():
            return None
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TargetUnobservable(f"{self._step.target.locator}: {error}") from error
        return dict(held)

    def open(self) -> list[Json]:
        """Return what stays open, in words."""
        path = self._played.get("open")
        if not isinstance(path, str) or not Path(path).exists():
            return []
        return [f"session of {self._name}"]

    def traces(self) -> dict[str, Json]:
        return dict(json.loads(str(self._played.get("traces", "{}"))))

    def is_there(self) -> bool:
        try:
            return self.state() is not None
        except TargetUnobservable:
            return False

    def write(self, state: str) -> None:
        self.save({"exists": True, "state": state})

    def save(self, held: Mapping[str, Json]) -> None:
        """Write the target's file, whole or not at all."""
        self._refuse_without_clearance()
        draft = self._path.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps(held), encoding="utf-8")
        draft.replace(self._path)

    def call(self, name: str, clearance: Clearance) -> None:
        self._refuse_without_clearance()
        line = {
            "at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "call": name,
            "target": self._name,
            "proposal": clearance.proposal_id,
            "token": clearance.token,
            "parameters": dict(self._step.parameters),
        }
        with self._files.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def wait(self, name: str) -> None:
        path = self._played.get(name)
        if not isinstance(path, str):
            return
        while Path(path).exists():
            Path(f"{path}.here").touch()
            time.sleep(0.01)

    def kill(self, name: str) -> None:
        if self.plays(name):
            os.kill(os.getpid(), signal.SIGKILL)

    def _refuse_without_clearance(self) -> None:
        if not self._cleared:
            raise ClearanceRefused("no clearance")
