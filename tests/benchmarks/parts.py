"""The parts of the way from message to effect: the worker's services in one process, timed.

`python -m tests.benchmarks.parts` with a worker's settings executes every approved proposal and
prints, as JSON, for each part the seconds of every run and how many statements it sent.
Parts that lie in another are taken out of it, so that all of them add up.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


@dataclass
class Part:
    """What one named part took in one run."""

    seconds: float = 0.0
    statements: int = 0


@dataclass
class Clock:
    """Parts of the run that is on; ``stack`` holds those that are open."""

    parts: dict[str, Part] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    mark: float = 0.0
    stopped: bool = False

    def _credit(self) -> None:
        now = time.perf_counter()
        if self.stack and not self.stopped:
            self.parts.setdefault(self.stack[-1], Part()).seconds += now - self.mark
        self.mark = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._credit()
        self.stack.append(name)
        try:
            yield
        finally:
            self._credit()
            self.stack.pop()

    def statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        if self.stack and not self.stopped:
            self.parts.setdefault(self.stack[-1], Part()).statements += 1
        return execute(*arguments)

    def stop(self) -> None:
        """What comes after the effect is not on the way to it."""
        self._credit()
        self.stopped = True


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitlportal.settings")
    import django

    django.setup()
    from django.db import connection

    from remediation.models import Proposal
    from remediation.services import execute
    from remediation.services.actors import worker

    runs: list[dict[str, list[float]]] = []
    clock = Clock()
    _watch(clock)
    waiting = list(Proposal.objects.filter(state="approved").values_list("pk", flat=True))
    with connection.execute_wrapper(clock.statement):
        for proposal_id in waiting:
            clock.parts, clock.stopped = {}, False
            with clock.part("rest"):
                execute.execute(proposal_id, actor=worker())
            runs.append({n: [p.seconds, p.statements] for n, p in clock.parts.items()})
    print(json.dumps(runs))


def _watch(clock: Clock) -> None:
    """Put the clock around the functions that make the parts."""
    from remediation.domain import gate
    from remediation.executors.noop import Noop
    from remediation.services import execute, gather, lease, worker

    for module, function, name in (
        (lease, "claim", "claim"),
        (execute, "observe", "observe"),
        (execute, "gather", "gather"),
        (gate, "verify", "gate"),
        (execute, "run_prepare", "prepare"),
        (execute, "_clear", "clear"),
        (execute, "_begin", "begin"),
        (gather, "scope_of", "scope"),
        (worker, "approvers", "files"),
        (worker, "targets", "files"),
    ):
        _time(clock, module, function, name)
    real = Noop.apply

    def apply(self: Noop, *arguments: Any) -> Any:
        clock.stop()
        return real(self, *arguments)

    setattr(Noop, "apply", apply)  # noqa: B010


def _time(clock: Clock, module: ModuleType, function: str, name: str) -> None:
    real = getattr(module, function)

    def timed(*arguments: Any, **named: Any) -> Any:
        with clock.part(name):
            return real(*arguments, **named)

    setattr(module, function, timed)


if __name__ == "__main__":
    main()
