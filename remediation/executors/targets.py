"""The targets file: where a worker's targets are, and by which credentials it reaches them.

TOML on the worker's host, one section for each provider. What stands in a section is written in
the module that reads it: postgres_cluster.py, aws_account.py, noop.py, or another package's.
Every key that no module asks for is refused.

    environment = "production"     optional, in each section: the least that its targets count
                                   as, whatever the inventory (which the web process writes) says

Credentials that can change something are named by file alone, never inline: their file is opened
by `credentials.for_operating`, which takes a clearance. Until then they are not in this process.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from remediation.domain.catalogue import is_test, provider_of
from remediation.domain.plan import Target
from remediation.executors.driver import Places
from remediation.executors.section import Section, TargetsFileInvalid

P = TypeVar("P", bound=Places)


@dataclass(frozen=True)
class Targets:
    """All targets of a worker, and what it needs to know of the portal to stay away from it."""

    # What each provider's module read from its section; no entry for a section that is not there.
    sections: Mapping[str, Places]
    # pg_control_system().system_identifier of the portal's cluster; None: the portal has none.
    portal_system_identifier: int | None
    protected_clusters: frozenset[str]

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        portal_system_identifier: int | None,
        protected_clusters: frozenset[str] = frozenset(),
    ) -> Targets:
        """Read the file; relative paths in it start from its directory.

        Opens no credential file. Raises TargetsFileInvalid.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TargetsFileInvalid(f"{path}: {error}") from error
        return cls(
            sections=_sections(Section(table, str(path), path.parent)),
            portal_system_identifier=portal_system_identifier,
            protected_clusters=protected_clusters,
        )

    def of(self, places: type[P]) -> P | None:
        """What a provider's module read; None when the file has no such section."""
        found = self.sections.get(places.provider)
        return found if isinstance(found, places) else None

    def environment(self, target: Target) -> str:
        """What this host says the target is, whatever the inventory says; "" for nothing."""
        provider = provider_of(target.kind)
        places = self.sections.get(provider.name) if provider is not None else None
        return places.environment(target) if places is not None else ""

    def is_own(self, target: Target) -> bool:
        """Whether the portal itself works with the target."""
        return any(places.is_own(target) for places in self.sections.values())

    @property
    def allows_test(self) -> bool:
        """Whether the file has a section of a provider that exists for tests."""
        return any(is_test(provider) for provider in self.sections)


def _sections(top: Section) -> Mapping[str, Places]:
    # Each provider's module imports this one.
    from remediation.executors.registry import DRIVERS

    found = {}
    for name, driver in DRIVERS.items():
        if top.has(name):
            section = top.section(name)
            found[name] = driver.read(section)
            section.refuse_unknown()
    top.refuse_unknown()
    return found
