"""Rules over bursts: many different things by one credential in a short time.

Windows and minimums are the usual ones of detectors: low enough for a script, high enough for a
person at a console.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hitlportal.demo.agent.principal import Principal
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.signals import Path, Signal

# Ten minutes: a script is done by then, a person has opened a handful of pages.
WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class BurstRule:
    """``minimum`` different things within `WINDOW`, failed calls counted."""

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
        """One signal when the densest window reaches the minimum."""
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
    """The most different things within one `WINDOW`, and the records that first name each."""
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
