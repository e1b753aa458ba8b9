"""The data of the inventory's pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Limit:
    """One filter that can be switched on, with the number of rows that it leaves."""

    name: str
    title: str
    number: int
    chosen: bool
    query: str  # of the page with this filter switched


@dataclass(frozen=True)
class ServiceRow:
    """One service in its newest version."""

    service_id: int
    name: str
    owner_team: str
    environment: str
    criticality: str
    payment_path: bool
    external_partner: bool
    retired: bool
    uses: int
    used_by: int
    changed_at: datetime | None


@dataclass(frozen=True)
class IdentityRow:
    """One identity in its newest version."""

    identity_id: int
    locator: str
    kind: str
    owner_team: str
    environment: str
    retired: bool
    used_by: int
    incidents: int  # that are not closed
    changed_at: datetime | None


@dataclass(frozen=True)
class InventoryPage:
    """A part of the services or of the identities, as it is limited."""

    services: tuple[ServiceRow, ...]
    identities: tuple[IdentityRow, ...]
    limits: tuple[Limit, ...]
    total: int
    found: int
    q: str
    number: int
    before: str  # the query of the page before; empty on the first
    after: str
    may_change: bool
    counts: Mapping[str, int]
