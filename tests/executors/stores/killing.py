"""Kill a delivery (SIGKILL) at every line of its code, call it again, and look at what is left.

    python -m tests.executors.stores.killing DIRECTORY PLACE...

In DIRECTORY are the targets file and the target, a file. A process of its own for each kill, forked
from this one, and another place for each, in their order; the last place is used again and again
when they run out. Prints one JSON line for each kill: the line, and what was wrong afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.domain.store_place import version_name
from remediation.executors import delivery
from remediation.executors.base import Deadline, Outcome
from remediation.executors.delivery import Rotation, ValueRefused
from remediation.executors.secret import SecretValue, make_password
from remediation.executors.stores import aws_secrets_manager, file, file_tree, openbao
from remediation.executors.stores.store import OpenPlace, Staged
from remediation.executors.targets import Targets

DIGEST = "0123456789abcdef" * 4
TRACED = frozenset(
    str(module.__file__) for module in (delivery, file, file_tree, openbao, aws_secrets_manager)
)


@dataclass
class Target:
    """A target with one slot that keeps the hash of the value in force, and counts changes."""

    file: Path
    # How many values it refuses by its policy, and what else a test wants.
    refuses: int = 0
    loses_answer: bool = False
    makes: bool = False
    before: Callable[[], None] = field(default=lambda: None)

    def state(self) -> dict[str, Any]:
        if not self.file.exists():
            return {"in_force": "", "sets": [], "refused": 0}
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def set(self, value: SecretValue) -> None:
        state = self.state()
        if state["refused"] < self.refuses:
            self._write({**state, "refused": state["refused"] + 1})
            raise ValueRefused("too simple")
        hashed = sha256(value.reveal("password").encode()).hexdigest()
        self._write({**state, "in_force": hashed, "sets": [*state["sets"], hashed]})
        if self.loses_answer:
            raise ConnectionError("the answer is lost")

    def proves(self, value: SecretValue) -> bool:
        hashed = sha256(value.reveal("password").encode()).hexdigest()
        return bool(self.state()["in_force"] == hashed)

    def rotation(self) -> Rotation:
        return Rotation(
            make=lambda: SecretValue({"password": make_password()}),
            set_at_target=self.set,
            proves=self.proves,
        )

    def _write(self, state: dict[str, Any]) -> None:
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(state))
        draft.replace(self.file)


def clearance() -> Clearance:
    """Return a clearance as the gate gives it for step 0; the same proposal each time."""
    return Clearance(
        gate._SEAL, proposal_id=str(UUID(int=7)), plan_digest=DIGEST, step=0, token=1,
        ends=float("inf"),
    )  # fmt: skip


def open_place(targets: Targets, path: str) -> OpenPlace:
    given = clearance()
    staged = Staged(version_name(given.proposal_id, 0), given.proposal_id)
    return OpenPlace(targets.stores["apps"], path, staged, given, Deadline.within(60))


def deliver(targets: Targets, path: str, target: Target) -> Outcome:
    return delivery.rotate_into(open_place(targets, path), target.rotation())


def killed_at(number: int, work: Callable[[], object]) -> str:
    """Run work in a process that is killed at the nth line; return the line, "" if it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _trace(number, writing)
        try:
            work()
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return said
    assert status == 0, said
    return ""


def _trace(number: int, pipe: int) -> None:
    left = number

    def line(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            if left < 0:
                name = Path(frame.f_code.co_filename).name
                os.write(pipe, f"{name}:{frame.f_lineno}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame: FrameType, event: str, argument: object) -> Any:
        return line if frame.f_code.co_filename in TRACED else None

    sys.settrace(call)


def wrong_after(targets: Targets, path: str, target: Target) -> list[str]:
    """Deliver again after a kill, and return what is wrong then."""
    sets = target.state()["sets"]
    staged = open_place(targets, path).read_staged()
    kept = staged[1] if staged is not None and not staged[1].is_empty else None
    outcome = deliver(targets, path, target)
    place, state = open_place(targets, path), target.state()
    value, held = place.read(), place.look()
    problems = []
    if outcome.made != {"version": place.version} or held.promoted != place.version:
        problems.append(f"not promoted: {held}")
    if held.staged is not None:
        problems.append(f"still staged: {held.staged}")
    if value is None or not target.proves(value):
        problems.append("consumers read another value than the target takes")
    if len(set(state["sets"])) != 1:
        problems.append(f"{len(set(state['sets']))} values were set")
    if len(state["sets"]) - len(sets) > (0 if sets else 1):
        problems.append("set again, though it was in force")
    if kept is not None and value is not None and not value.has(kept):
        problems.append("the staged value was not used")
    return problems


def main(directory: Path, paths: list[str], every: int) -> None:
    targets = Targets.load(directory / "targets.toml", portal_system_identifier=None)
    for number, path in enumerate(paths):
        target = Target(directory / f"target-{number}.json")
        line = killed_at(number * every, partial(deliver, targets, path, target))
        problems = wrong_after(targets, path, target)
        print(json.dumps({"killed": line, "wrong": problems}), flush=True)
        if not line:
            return
    raise SystemExit("more places are needed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3:], int(sys.argv[2]))
