"""The shape of a rule over calls; `knowledge` contains the list.

A weight is the estimated chance, in per cent, that an intruder made such calls. It is a judgement
and not measured: a single change that could be routine stays near the threshold of `detect`, so
that people decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hitlportal.demo.agent.principal import Principal
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.signals import Path, Signal

Condition = Callable[[Record], bool]


def always(record: Record) -> bool:
    """The call itself is the signal."""
    return True


@dataclass(frozen=True)
class CallRule:
    """A rule for single calls. ``attempt``: the weight when every such call failed."""

    name: str
    tactic: str
    weight: int
    calls: frozenset[str]
    says: str
    cite: tuple[Path, ...] = ()
    when: Condition = always
    attempt: int = 0
    after: str = ""

    def signals(self, principal: Principal, records: Iterable[Record]) -> list[Signal]:
        """Return at most one signal for the calls of one principal."""
        hits = [r for r in records if r.call in self.calls and self.when(r)]
        worked = [r for r in hits if not r.failed]
        weight, kept = (self.weight, worked or hits) if worked else (self.attempt, hits)
        if not kept or not weight:
            return []
        says = self.says if worked else f"{self.says}, without success"
        after = self.after if worked else ""
        return [
            Signal(self.name, self.tactic, weight, principal, says, tuple(kept), self.cite, after)
        ]


def calls(service: str, *names: str) -> frozenset[str]:
    """Return `service:Name` for each name."""
    return frozenset(f"{service}:{name}" for name in names)


def request(*names: str) -> tuple[Path, ...]:
    """Return the paths of members of the request."""
    return tuple(("requestParameters", name) for name in names)


EVASION, PERSISTENCE, CREDENTIALS = "defence evasion", "persistence", "credential access"
EXECUTION, EXFILTRATION, IMPACT = "execution", "exfiltration", "impact"
ESCALATION, LATERAL, DISCOVERY = "privilege escalation", "lateral movement", "discovery"
ACCESS = "initial access"
