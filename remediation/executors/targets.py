"""The targets file: a worker's targets and the credentials for them.

TOML on the worker's host, with a section for each provider. The module that reads a section
documents it: postgres_cluster.py, aws_account.py, noop.py, or another package's. Every key that no
module reads is refused. Sections `[store.<name>]` are no provider's: see stores/section.py.

    environment = "production"     optional, in each section: the minimum environment of its
                                   targets, whatever the inventory (which the web process writes)
                                   says

Credentials that can change something are given as a file or by their place in a store, never
inline. Only `credentials.for_operating`, which requires a clearance, reads them; until then they
are not in this process. Wherever a section takes `NAME_file`, it also takes

    NAME_from = "apps:workers/orders-db#dsn"    a field of a secret in [store.apps], kind openbao:
                                                read for each use, by the observer's or, with a
                                                clearance, by the operator's login there
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from remediation.domain.catalogue import is_test, provider_of
from remediation.domain.plan import Target
from remediation.executors.driver import Places
from remediation.executors.section import Section, TargetsFileInvalid

if TYPE_CHECKING:
    from remediation.executors.section import Source
    from remediation.executors.stores.store import Store

P = TypeVar("P", bound=Places)


@dataclass(frozen=True)
class Targets:
    """All targets of a worker, and how to recognise the portal's own cluster."""

    # The parsed sections by provider; no entry for a missing section.
    sections: Mapping[str, Places]
    # pg_control_system().system_identifier of the portal's cluster; None if it has none.
    portal_system_identifier: int | None
    protected_clusters: frozenset[str]
    # Where this worker delivers credentials, by the store's name.
    stores: Mapping[str, Store] = field(default_factory=lambda: MappingProxyType({}))

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
        top = Section(table, str(path), path.parent)
        stores, source_of = _stores(top)
        return cls(
            sections=_sections(Section(table, str(path), path.parent, source_of)),
            stores=stores,
            portal_system_identifier=portal_system_identifier,
            protected_clusters=protected_clusters,
        )

    def of(self, places: type[P]) -> P | None:
        """Return a provider's section; None if the file does not have it."""
        found = self.sections.get(places.provider)
        return found if isinstance(found, places) else None

    def environment(self, target: Target) -> str:
        """Return the target's environment in this file, whatever the inventory has; "" if none."""
        places = self._of_target(target)
        return places.environment(target) if places is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the portal itself uses the target."""
        places = self._of_target(target)
        if places is not None and places.is_own(target):
            return True
        return any(store.is_own(target) for store in self.stores.values())

    def _of_target(self, target: Target) -> Places | None:
        """Return the section of the target's provider: no other one knows its fields."""
        provider = provider_of(target.kind)
        return self.sections.get(provider.name) if provider is not None else None

    @property
    def allows_test(self) -> bool:
        """Return whether the file has a section of a provider for tests."""
        return any(is_test(provider) for provider in self.sections)


def _stores(top: Section) -> tuple[Mapping[str, Store], Callable[[str], Source]]:
    # The stores' modules import this one.
    from remediation.executors.stores.section import find_source, read_stores

    stores = read_stores(top.section("store"))
    return stores, partial(find_source, stores)


def _sections(top: Section) -> Mapping[str, Places]:
    # Each provider's module imports this one.
    from remediation.executors.registry import DRIVERS

    found = {}
    for name, driver in DRIVERS.items():
        if top.has(name):
            section = top.section(name)
            found[name] = driver.read(section)
            section.refuse_unknown()
    top.section("store")  # _stores reads it
    top.refuse_unknown()
    return found
