"""The steps, and the state of their targets that was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Field:
    """One name and value, both shown whole; ``pinned`` fields are compared before the effect."""

    name: str
    value: str
    pinned: bool = False
    after: str = ""  # what the action makes of it; empty when it stays as it is


@dataclass(frozen=True)
class ObservedCard:
    exists: bool
    simulated: bool
    fields: tuple[Field, ...]

    @property
    def last_use(self) -> tuple[Field, ...]:
        """Who used it and when, as far as the target tells."""
        return tuple(f for f in self.fields if f.name.startswith(("last_", "sessions")))


@dataclass(frozen=True)
class StepCard:
    number: int
    action: str
    sentence: str
    locator: str
    target: tuple[Field, ...]
    parameters: tuple[Field, ...]
    reversible: bool
    rollback: str
    timeout_s: int
    propagation_s: int
    ends_sessions: str
    unpinned_reason: str
    cannot: tuple[str, ...]
    observed: ObservedCard | None
    unobservable: str = ""


@dataclass(frozen=True)
class Pin:
    digest: str
    text: str
    observed_at: datetime
    fresh_until: datetime
    fresh: bool
