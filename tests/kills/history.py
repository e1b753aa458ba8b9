"""What the checker compares: the target's own log, its state, the portal's record. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DISABLE, ENABLE, TERMINATE = "disable", "enable", "terminate"


@dataclass(frozen=True)
class Call:
    """One call of a hitl_ops function, from the target's log; times are seconds since the epoch."""

    verb: str
    role: str
    began: float
    # True: it was carried out. False: it was refused or rolled back. None: the server ended before
    # its log could say.
    effect: bool | None
    login: str = "hitl_operator"


@dataclass(frozen=True)
class Role:
    """A role at the end, as the target's superuser sees it. Every role begins with its login."""

    name: str
    login: bool
    sessions: int = 0


@dataclass(frozen=True)
class Phase:
    """A recorded phase of a step; ``at`` is the time of its commit."""

    step: int
    phase: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refusal(self) -> str:
        return str(self.data.get("refusal", ""))


@dataclass(frozen=True)
class Move:
    """A recorded move of the proposal."""

    source: str
    target: str
    reason: str
    at: float


@dataclass(frozen=True)
class Permit:
    """A person's signed statement about the run, and when the worker verified it."""

    decision: str
    verified: float | None


@dataclass(frozen=True)
class Look:
    """A look at the incident's own identity: it found it `without` access, with `access`, or could
    not read it."""

    found: str
    at: float


@dataclass(frozen=True)
class Case:
    """The portal's record of one proposal. Step n is about ``roles[n]``."""

    proposal: str
    roles: tuple[str, ...]
    phases: tuple[Phase, ...] = ()
    moves: tuple[Move, ...] = ()
    permits: tuple[Permit, ...] = ()
    # (step, phase) and (from, to) as the audit entries say them.
    entered_phases: tuple[tuple[int, str], ...] = ()
    entered_moves: tuple[tuple[str, str], ...] = ()
    # States of the incident, in order. Its own identity is the role of step 0.
    incident: tuple[str, ...] = ("open",)
    looks: tuple[Look, ...] = ()
    # Steps whose result came after another process had settled them: told by an alarm.
    late: frozenset[int] = frozenset()
    refusals: tuple[str, ...] = ()
    # Behind the first step the plan waits for a person.
    waits: bool = False

    @property
    def state(self) -> str:
        return self.moves[-1].target if self.moves else "submitted"

    def of(self, step: int) -> dict[str, Phase]:
        return {found.phase: found for found in self.phases if found.step == step}


@dataclass(frozen=True)
class History:
    """Everything of one campaign."""

    calls: tuple[Call, ...]
    roles: Mapping[str, Role]
    cases: tuple[Case, ...]

    def calls_of(self, role: str, *verbs: str) -> list[Call]:
        return [c for c in self.calls if c.role == role and (not verbs or c.verb in verbs)]
