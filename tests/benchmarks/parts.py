"""The parts of the way from message to effect: the worker's services in one process, timed.

`python -m tests.benchmarks.parts` with a worker's settings executes every approved proposal and
prints, as JSON, for each part the seconds of every run and how many statements it sent.
Parts that lie in another are taken out of it, so that all of them add up.
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

# The function that makes a part, and what result.PARTS calls it. What lies in none is "rest".
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
    """Put the clock around the functions that make the parts, and stop it at the effect."""
    from remediation.executors.noop import Noop

    for path, name in PARTS.items():
        _time(clock, path, name)
    real = Noop.apply

    def apply(self: Noop, *arguments: Any) -> Any:
        clock.stop()
        return real(self, *arguments)

    setattr(Noop, "apply", apply)  # noqa: B010


def _time(clock: Clock, path: str, name: str) -> None:
    """Put a timed one in the place of a function, wherever it was imported to."""
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
