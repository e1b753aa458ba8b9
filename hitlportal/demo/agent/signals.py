"""A rule's observation about a principal, and the certainty of several together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from hitlportal.demo.agent.principal import Principal
from hitlportal.demo.agent.records import Key, Record

Path = tuple[Key, ...]
# The calls of each principal, in order of time.
World = dict[Principal, list[Record]]

# A lower threshold would report too many ordinary changes.
THRESHOLD = 40
# A detector that reads one log does not see everything, so it never claims certainty.
MOST_CERTAIN = 97


@dataclass(frozen=True)
class Signal:
    """One observation: ``says`` completes a sentence about ``principal``.

    ``weight`` is the chance in per cent that the credential is compromised; ``cite`` names further
    fields that a reader should check; ``after`` is the work that remains when the credential is
    disabled.
    """

    rule: str
    tactic: str
    weight: int
    principal: Principal
    says: str
    records: tuple[Record, ...]
    cite: tuple[Path, ...] = ()
    after: str = ""


class Weighted(Protocol):
    """The part of a signal that `certainty` needs."""

    @property
    def rule(self) -> str: ...

    @property
    def weight(self) -> int: ...


def certainty(signals: Iterable[Weighted]) -> int:
    """Combine signals, in whole per cent: 1 - prod(1 - weight), each rule once.

    Uses integers only, so that every machine computes the same value.
    """
    strongest: dict[str, int] = {}
    for signal in signals:
        strongest[signal.rule] = max(strongest.get(signal.rule, 0), signal.weight)
    doubt = 1_000_000
    for weight in sorted(strongest.values(), reverse=True):
        doubt = doubt * (100 - weight) // 100
    return min(MOST_CERTAIN, (1_000_000 - doubt) // 10_000)
