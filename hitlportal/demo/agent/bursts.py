"""Detect bursts: one credential touches many different things in a short time.

Windows and minimums are common values of detectors: a script reaches them, a person at a console
does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hitlportal.demo.agent.principal import Principal
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.signals import Path, Signal

# Ten minutes: enough for a script; a person opens only a few pages in this time.
WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class BurstRule:
    """At least ``minimum`` different things within `WINDOW`; failed calls count, too."""

    name: str
    tactic: str
    weight: int
    calls: frozenset[str]
    things: Callable[[Record], Iterable[str]]
    minimum: int
    says: str
    cite: tuple[Path, ...] = ()
    after: str = ""

    def signals(self, principal: Principal, records: Sequence[Record]) -> list[Signal]:
        """Return one signal when the densest window reaches the minimum, else none."""
        count, kept = densest([r for r in records if r.call in self.calls], self.things)
        if count < self.minimum:
            return []
        says = self.says.format(count=count)
        signal = Signal(
            self.name, self.tactic, self.weight, principal, says, kept, self.cite, self.after
        )
        return [signal]


def densest(
    records: Sequence[Record], things: Callable[[Record], Iterable[str]]
) -> tuple[int, tuple[Record, ...]]:
    """Return the most different things within one `WINDOW`, with the first record of each."""
    best, start, end = (0, 0, 0), 0, 0
    inside: Counter[str] = Counter()
    for end, record in enumerate(records):
        inside.update(set(things(record)))
        while record.time - records[start].time > WINDOW:
            inside -= Counter(set(things(records[start])))
            start += 1
        best = max(best, (len(inside), -start, end))
    count, start, end = best[0], -best[1], best[2]
    seen: set[str] = set()
    kept = []
    for record in records[start : end + 1]:
        new = set(things(record)) - seen
        seen |= new
        if new:
            kept.append(record)
    return count, tuple(kept)
