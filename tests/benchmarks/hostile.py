"""`python -m tests.benchmarks.hostile`: what one agent's largest reports cost everybody else (A83).

Two clients of one agent send reports at the API's own maxima as fast as the agent's rate allows,
and a person opens the review pages of them again and again. Meanwhile others open a page, sign in
with a password, halt a run and approve a plan. Prints the median of each, with the median of the
same on the idle portal beside it. Never fails on a missed aim: compare ratios, not machines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import TYPE_CHECKING

from tests.benchmarks.hostile_reports import KINDS
from tests.benchmarks.house import House, house

if TYPE_CHECKING:
    from tests.benchmarks.hostile_acts import Acts

AIM, ROUNDS, SENDERS = 1.5, 12, 2
OUTPUT = Path("test-results") / "benchmark-hostile.json"
TARGETS = '[test]\nfile = "calls.jsonl"\nstate_dir = "state"\n'
# As many reports as an agent may send in the time, and more than that cannot be assessed.
REPORTS = 400
# Targets of the approvals and of the halted runs, while the portal is idle and while it is not.
IDLE, BUSY = "idle", "busy"


class Hostile(House):
    """The house with the rate that an agent has in the product, and a worker for each queue."""

    def environment(self, process: str) -> dict[str, str]:
        found = super().environment(process)
        found.pop("HITL_AGENT_RATE", None)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, action="append", help="all of them without it")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with house(Hostile) as built:
        os.environ.update(built.environment("web"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.settings"
        import django

        django.setup()
        found = _play(built, asked.kind or list(KINDS), asked.rounds)
    print("\n".join(lines(found)))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _play(built: House, kinds: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each act in seconds: idle, then while reports of each kind come."""
    from tests.benchmarks.hostile_acts import Acts

    (built.directory / "state").mkdir()
    built.targets.write_text(TARGETS)
    acts = Acts.make(built, [IDLE, *kinds], rounds, [f"h{number}" for number in range(REPORTS)])
    built.start_web()
    built.start_worker("execute", 1)
    built.start_worker("assess", 1)
    acts.stage()
    found = {IDLE: _medians(acts, IDLE, rounds)}
    for kind in kinds:
        with attack(built, acts, KINDS[kind]):
            found[kind] = _medians(acts, kind, rounds)
    return found


def _medians(acts: Acts, phase: str, rounds: int) -> dict[str, float]:
    """Play each act once a round, so that all of them meet the same moments."""
    taken: dict[str, list[float]] = {}
    for number in range(rounds):
        for name, seconds in acts.play(phase, number):
            taken.setdefault(name, []).append(seconds)
        print(f"{phase}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return {name: median(values) for name, values in taken.items()}


@contextmanager
def attack(built: House, acts: Acts, report: Callable[[str], bytes]) -> Iterator[None]:
    """Send reports, and open their pages, until the block ends."""
    over = Event()

    def send() -> None:
        while not over.is_set():
            acts.send(report, over)

    def read() -> None:
        while not over.is_set():
            acts.read(over)

    threads = [Thread(target=send, daemon=True) for _ in range(SENDERS)]
    threads.append(Thread(target=read, daemon=True))
    for one in threads:
        one.start()
    time.sleep(5)  # the first reports have come in, and are assessed
    try:
        yield
    finally:
        over.set()
        for one in threads:
            one.join(60)


def lines(found: dict[str, dict[str, float]]) -> list[str]:
    said = [f"{'median ms':24}{'idle':>10}   while reports come: ms, ratio (aim <= {AIM})"]
    for name, idle in found[IDLE].items():
        cells = []
        for kind, taken in found.items():
            if kind != IDLE and name in taken:
                ratio = taken[name] / idle
                verdict = "" if ratio <= AIM else " missed"
                cells.append(f"{kind} {taken[name] * 1000:.1f}, {ratio:.2f}{verdict}")
        said.append(f"{name:24}{idle * 1000:10.1f}   {'; '.join(cells)}")
    return said


if __name__ == "__main__":
    main()
