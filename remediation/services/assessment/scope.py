"""Read the scope of a plan from the inventory, by one recursive query (sql/scope.sql).

For each attribute and edge the strictest value of the last 24 hours counts (docs/attacks.md A45):
the versions recorded within that time and the newest one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db import connection

from remediation.domain import scope_gaps
from remediation.domain.plan import Plan, Target
from remediation.domain.scope import (
    MAX_CONSUMERS,
    MAX_SERVICES,
    Scope,
    ScopeConsumer,
    ScopeService,
    ScopeTarget,
)
from remediation.services.inventory.consumers import consumers_of

# Real chains of services are shorter. A longer one is not followed but reported as unknown.
MAX_DEPTH = 32


class _Row(NamedTuple):
    """One target with one service that it reaches, or with no service."""

    place: int
    environment: str | None  # None: no version, so the inventory does not know it
    owner_team: str
    retired: bool
    young: bool | None
    unused: bool
    service_id: int | None
    service: str
    depth: int
    service_environment: str
    criticality: str
    payment_path: bool
    external_partner: bool
    service_owner: str
    unowned: bool
    service_retired: bool
    bare: bool


@dataclass(frozen=True)
class _Reached:
    """What the query found for one target of the plan."""

    target: Target
    rows: tuple[_Row, ...]

    @property
    def known(self) -> bool:
        return self.rows[0].environment is not None

    def scope_target(self) -> ScopeTarget:
        first = self.rows[0]
        return ScopeTarget(
            locator=self.target.locator,
            known=self.known,
            kind=self.target.kind,
            environment=first.environment or "",
            owner_team=first.owner_team,
        )

    def services(self) -> tuple[_Row, ...]:
        return tuple(row for row in self.rows if row.service_id is not None)

    def unknown(self) -> list[str]:
        """Describe what the inventory does not say about the target."""
        locator = self.target.locator
        if not self.known:
            return [f"{locator} is not in the inventory"]
        reasons = []
        if self.rows[0].young:
            reasons.append(f"{locator} was added to the inventory less than 24 hours ago")
        if self.rows[0].retired:
            reasons.append(f"{locator} is or was marked as retired")
        if not self.services():
            reasons.append(f"no service is recorded as using {locator}")
        elif self.rows[0].unused and not self.rows[0].young:
            reasons.append(
                f"no service is recorded as using {locator} throughout the last 24 hours"
            )
        return reasons


def scope_of(plan: Plan) -> Scope:
    """Return everything that the plan's targets reach, and what is not known.

    Depth 1 are services that use a target directly; deeper ones depend on those. For a plan that
    waits or delivers, with the consumers that must move. Reads only, at the database's time.
    """
    targets = tuple(dict.fromkeys(plan.targets))
    found = reached_by(targets)
    if not plan.waits and not any(step.spec.delivers for step in plan.steps):
        return found
    consumers = tuple(
        ScopeConsumer(target.locator, consumer)
        for target in targets
        for consumer in consumers_of(target.locator)
    )
    return replace(found, consumers=consumers[:MAX_CONSUMERS])


def reached_by(targets: tuple[Target, ...]) -> Scope:
    """Return what these targets reach, as `scope_of` does, for targets that no plan names yet."""
    found = _read(targets)
    rows = [(reached.target, row) for reached in found for row in reached.services()]
    shown = [(target, row) for target, row in rows if row.depth <= MAX_DEPTH][:MAX_SERVICES]
    reasons = [reason for reached in found for reason in reached.unknown()]
    reasons += _gaps([row for _, row in shown])
    if len(rows) > MAX_SERVICES:
        reasons.append(f"more than {MAX_SERVICES:,} services are reached")
    if any(row.depth > MAX_DEPTH for _, row in rows):
        reasons.append(f"services depend on each other over more than {MAX_DEPTH} steps")
    return Scope(
        targets=tuple(reached.scope_target() for reached in found),
        services=tuple(_service(target, row) for target, row in shown),
        unknown=tuple(reasons),
    )


def _read(targets: tuple[Target, ...]) -> list[_Reached]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM remediation.scope_v1(%s, %s, %s)",
            [[target.locator for target in targets], MAX_DEPTH, MAX_SERVICES + 1],
        )
        rows = [_Row(*row) for row in cursor.fetchall()]
    return [
        _Reached(target, tuple(row for row in rows if row.place == place))
        for place, target in enumerate(targets, start=1)
    ]


def _service(target: Target, row: _Row) -> ScopeService:
    """Convert a row. Details that were missing in the last 24 hours get the strictest values."""
    bare = row.bare
    return ScopeService(
        id=row.service_id or 0,
        name=row.service,
        via=target.locator,
        depth=row.depth,
        environment="production" if bare else row.service_environment,
        criticality="critical" if bare else row.criticality,
        payment_path=bare or row.payment_path,
        external_partner=bare or row.external_partner,
        owner_team=row.service_owner,
    )


def _gaps(rows: Iterable[_Row]) -> list[str]:
    """Describe what is not known about the reached services, one sentence per kind of gap."""
    rows = list(rows)
    kinds: tuple[tuple[str, Callable[[_Row], bool]], ...] = (
        (scope_gaps.BARE, lambda row: row.bare),
        (scope_gaps.UNOWNED, lambda row: row.unowned and not row.bare),
        (scope_gaps.RETIRED, lambda row: row.service_retired),
    )
    found = ((kind, {row.service for row in rows if applies(row)}) for kind, applies in kinds)
    return [scope_gaps.sentence(kind, services) for kind, services in found if services]
