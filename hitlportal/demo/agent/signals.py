"""What a rule says about a principal, and how certain a set of such statements is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from hitlportal.demo.agent.principal import Principal
from hitlportal.demo.agent.records import Key, Record

Path = tuple[Key, ...]
# The calls of each principal, in order of time.
World = dict[Principal, list[Record]]

# Under this, a person would look at too many ordinary changes.
THRESHOLD = 40
# A detector that reads one log never knows everything: its word stays below certainty.
MOST_CERTAIN = 97


@dataclass(frozen=True)
class Signal:
    """One observation: ``says`` completes a sentence about ``principal``.

    ``weight`` is the rule's word, in per cent, that the credential is in wrong hands; ``cite``
    names the fields beside who, what and when that a reader should check; ``after`` is what stays
    undone when the credential is off.
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
    """What `certainty` needs of a signal."""

    @property
    def rule(self) -> str: ...

    @property
    def weight(self) -> int: ...


def certainty(signals: Iterable[Weighted]) -> int:
    """The signals taken together, in whole per cent: 1 - prod(1 - weight), each rule once.

    Whole numbers throughout, so that every machine computes the same.
    """
    strongest: dict[str, int] = {}
    for signal in signals:
        strongest[signal.rule] = max(strongest.get(signal.rule, 0), signal.weight)
    doubt = 1_000_000
    for weight in sorted(strongest.values(), reverse=True):
        doubt = doubt * (100 - weight) // 100
    return min(MOST_CERTAIN, (1_000_000 - doubt) // 10_000)
