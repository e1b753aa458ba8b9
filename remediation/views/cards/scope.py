"""What the action reaches."""

from __future__ import annotations

from dataclasses import dataclass

from remediation.domain.diagram import Diagram


@dataclass(frozen=True)
class ScopeRow:
    name: str
    via: str
    depth: int
    environment: str
    criticality: str
    payment_path: bool
    external_partner: bool
    owner_team: str


@dataclass(frozen=True)
class ScopeTargetRow:
    locator: str
    known: bool
    environment: str
    owner_team: str


@dataclass(frozen=True)
class ScopeCard:
    digest: str
    targets: tuple[ScopeTargetRow, ...]
    services: tuple[ScopeRow, ...]
    unknown: tuple[str, ...]
    diagram: Diagram

    @property
    def direct(self) -> int:
        return sum(1 for row in self.services if row.depth == 1)

    @property
    def downstream(self) -> int:
        return len(self.services) - self.direct
