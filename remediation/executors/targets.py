"""The targets file: a worker's targets and the credentials for them.

TOML on the worker's host, with a section for each provider. The module that reads a section
documents it: postgres_cluster.py, aws_account.py, noop.py, or another package's. Every key that no
module reads is refused.

    environment = "production"     optional, in each section: the minimum environment of its
                                   targets, whatever the inventory (which the web process writes)
                                   says

Credentials that can change something are given only as a file, never inline. Only
`credentials.for_operating`, which requires a clearance, opens this file; until then they are not in
this process.
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
    """All targets of a worker, and how to recognise the portal's own cluster."""

    # The parsed sections by provider; no entry for a missing section.
    sections: Mapping[str, Places]
    # pg_control_system().system_identifier of the portal's cluster; None if it has none.
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
        """Read the file; relative paths in it are relative to its directory.

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
        """Return a provider's section; None if the file does not have it."""
        found = self.sections.get(places.provider)
        return found if isinstance(found, places) else None

    def environment(self, target: Target) -> str:
        """Return the target's environment in this file, whatever the inventory has; "" if none."""
        provider = provider_of(target.kind)
        places = self.sections.get(provider.name) if provider is not None else None
        return places.environment(target) if places is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the portal itself uses the target."""
        return any(places.is_own(target) for places in self.sections.values())

    @property
    def allows_test(self) -> bool:
        """Return whether the file has a section of a provider for tests."""
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
