"""Try rules on recorded facts: what would another version of policy have asked for?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from remediation.domain import policy
from remediation.domain.facts import Facts
from remediation.domain.ruling import Requirements, Ruling, tightened

Rules = Callable[[Facts], Requirements]


def _first(given: Facts) -> Requirements:
    """Apply the rules of version 1: one plain owner's slot, whoever owns what is reached."""
    return replace(policy.evaluate(replace(given, owners=())), version=1)


# The rules that can be tried, by the version that rulings name. A version that changes a rule
# keeps the old one here.
VERSIONS: Mapping[int, Rules] = {1: _first, policy.VERSION: policy.evaluate}


@dataclass(frozen=True)
class Recorded:
    """One assessment: its facts, and the ruling that was made of them."""

    name: str
    facts: Facts
    ruling: Ruling


@dataclass(frozen=True)
class Difference:
    """What other rules ask of one assessment's facts, beside what its ruling asked."""

    name: str
    was: Requirements
    would_be: Requirements
    more: str  # what is asked beyond the ruling; empty where nothing is
    less: bool  # whether the ruling asked for something that is not asked any more

    def lines(self) -> list[str]:
        """Describe the difference for an operator."""
        changes = [
            f"  {what}: {before} -> {after}"
            for what, before, after in (
                ("risk", self.was.risk, self.would_be.risk),
                ("slots", _slots(self.was), _slots(self.would_be)),
                ("decide within", self.was.decide_within_s, self.would_be.decide_within_s),
            )
            if before != after
        ]
        verdict = "stricter" if self.more else "looser" if self.less else "other words"
        return [f"{self.name}: {verdict}", *changes]


def compare(recorded: Iterable[Recorded], rules: Rules) -> list[Difference]:
    """Return the assessments of which these rules ask something else than their rulings did."""
    found = []
    for one in recorded:
        was, would_be = one.ruling.requirements, rules(one.facts)
        more = tightened(one.ruling, would_be) or ""
        back = tightened(Ruling(would_be, one.ruling.decide_by), was) is not None
        if more or back:
            found.append(Difference(one.name, was, would_be, more, back))
    return found


def _slots(asked: Requirements) -> str:
    teams = {owner.slot: f"owner of {owner.team}" for owner in asked.owners}
    return ", ".join(teams.get(slot, slot) for slot in asked.slots)
