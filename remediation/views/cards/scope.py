"""Page data of the scope: a table and a drawing."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import OuterRef, Subquery

from remediation.domain import diagram
from remediation.domain.diagram import Diagram
from remediation.domain.scope import Scope
from remediation.models import (
    Dependency,
    DependencyVersion,
)


@dataclass(frozen=True)
class ScopeRow:
    service_id: int
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


def scope_card(scope: Scope) -> ScopeCard:
    """Return the recorded scope; the lines of its drawing come from the current inventory."""
    return ScopeCard(
        diagram=diagram.draw(scope, _edges(scope)),
        digest=scope.digest,
        targets=tuple(
            ScopeTargetRow(target.locator, target.known, target.environment, target.owner_team)
            for target in scope.targets
        ),
        services=tuple(
            ScopeRow(
                service_id=service.id,
                name=service.name,
                via=service.via,
                depth=service.depth,
                environment=service.environment,
                criticality=service.criticality,
                payment_path=service.payment_path,
                external_partner=service.external_partner,
                owner_team=service.owner_team,
            )
            for service in scope.services
        ),
        unknown=scope.unknown,
    )


def _edges(scope: Scope) -> list[tuple[int, int]]:
    """Return the current dependencies between the services of the scope."""
    ids = [service.id for service in scope.services]
    newest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    found = Dependency.objects.filter(source__in=ids, service__in=ids).annotate(
        present=Subquery(newest.values("present")[:1])
    )
    pairs = found.filter(present=True).values_list("service_id", "source_id")
    return [(int(below or 0), above) for below, above in pairs]
