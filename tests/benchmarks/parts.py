"""Time the parts between message and effect: the worker's services in one process.

`python -m tests.benchmarks.parts` with a worker's settings executes every approved proposal and
prints, as JSON, for each part the seconds of every run and how many statements it sent.
The time of a nested part is subtracted from the outer one, so that all add up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from django.utils.module_loading import import_string

# The function of each part, and its name in result.PARTS. Time in no part is "rest".
PARTS: Mapping[str, str] = {
    "remediation.services.execution.lease.claim": "claim",
    "remediation.services.host_files.targets": "files",
    "remediation.services.host_files.approvers": "files",
    "remediation.services.assessment.observe.observe": "observe",
    "remediation.services.review.gather.gather": "gather",
    "remediation.services.assessment.scope.scope_of": "scope",
    "remediation.domain.gate.gate.verify": "gate",
    "remediation.executors.run.run_prepare": "prepare",
    "remediation.services.execution.execute._begin": "begin",
}


@dataclass
class Part:
    """The time and statements of one named part in one run."""

    seconds: float = 0.0
    statements: int = 0


@dataclass
class Clock:
    """The parts of the current run; ``stack`` holds the open ones."""

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
        """Ends the timing: later work is not part of the way to the effect."""
        self._credit()
        self.stopped = True


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitlportal.settings")
    import django

    django.setup()
    from django.db import connection

    from remediation.models import Proposal
    from remediation.services.actors import worker
    from remediation.services.execution import execute

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
    """Time the functions of the parts, and stop at the effect."""
    from remediation.executors.noop import Noop

    for path, name in PARTS.items():
        _time(clock, path, name)
    real = Noop.apply

    def apply(self: Noop, *arguments: Any) -> Any:
        clock.stop()
        return real(self, *arguments)

    setattr(Noop, "apply", apply)  # noqa: B010


def _time(clock: Clock, path: str, name: str) -> None:
    """Replace a function by a timed one in every module that imported it."""
    real = import_string(path)

    @wraps(real)
    def timed(*arguments: Any, **named: Any) -> Any:
        with clock.part(name):
            return real(*arguments, **named)

    for module in list(sys.modules.values()):
        if module.__name__.startswith("remediation."):
            for attribute, value in list(vars(module).items()):
                if value is real:
                    setattr(module, attribute, timed)


if __name__ == "__main__":
    main()
