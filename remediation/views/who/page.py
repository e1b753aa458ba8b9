"""Page data of "who can do what": for a person, a service, a proposal."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from remediation.services.access.who import Holder


@dataclass(frozen=True)
class Hit:
    """One result of the search: a person or a service."""

    title: str
    url: str
    detail: str


@dataclass(frozen=True)
class IndexPage:
    query: str
    people: tuple[Hit, ...]
    services: tuple[Hit, ...]
    searched: bool


@dataclass(frozen=True)
class GivenRow:
    """A right as it was given, and how the person comes to it."""

    right: str
    kind: str
    name: str
    group: str


@dataclass(frozen=True)
class ServiceLink:
    id: int
    name: str


@dataclass(frozen=True)
class PersonPage:
    name: str
    full_name: str
    person: UUID
    active: bool
    roles: tuple[str, ...]
    can: tuple[str, ...]
    cannot: tuple[str, ...]
    given: tuple[GivenRow, ...]
    decides: tuple[ServiceLink, ...]
    decides_count: int
    sees: tuple[ServiceLink, ...]
    sees_count: int
    rights_url: str


@dataclass(frozen=True)
class ServicePage:
    name: str
    owner_team: str
    environment: str
    holders: tuple[Holder, ...]
    leads: tuple[str, ...]
    lacking: tuple[str, ...]
    rights_url: str


@dataclass(frozen=True)
class SlotRow:
    """One slot of the ruling in words: who may fill it, and whether anybody can."""

    title: str
    services: tuple[str, ...]
    filled_by: str
    nobody: bool


@dataclass(frozen=True)
class DeciderRow:
    name: str
    slots: tuple[str, ...]
    decided: str
    why_not: tuple[str, ...]


@dataclass(frozen=True)
class ProposalPage:
    proposal_id: UUID
    title_untrusted: str
    state: str
    assessed: bool
    slots: tuple[SlotRow, ...]
    missing: tuple[str, ...]
    can: tuple[DeciderRow, ...]
    decided: tuple[DeciderRow, ...]
    cannot: tuple[DeciderRow, ...]
    leads: tuple[str, ...]
