"""The interface of a store, and the errors of its calls.

A version has a name. *Staged*: it is in the store, and a plain read still returns another one.
*Promoted*: it is what a plain read returns. At most one version of a place is staged.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.domain.store_place import StorePlace
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.libraries import Library
from remediation.executors.secret import SecretValue


class StoreUnavailable(NotApplied):
    """The store did not answer or refused, and nothing was changed in it by this call."""


class StoreUnknown(OutcomeUnknown):
    """A call that changes the store was not answered: read it before the next one."""


class StagedByOther(NotApplied):
    """Another version is staged at the place: a person adopts or discards it first."""


class PromotedByOther(PartlyApplied):
    """What a plain read returns was changed by somebody else since the version was staged."""


@dataclass(frozen=True)
class Staged:
    """A staged version, without its value. `made_by` is empty if the store does not tell."""

    version: str
    made_by: str

    def to_json(self) -> dict[str, Json]:
        return {"version": self.version, "made_by": self.made_by}


@dataclass(frozen=True)
class Held:
    """What a store holds at a place, without values.

    `promoted`: the version that a plain read returns, "" if there is none; a version that this
    portal did not make has the store's own name for it. `previous`: the one before, "" if it is
    not kept. `fetched_at`: when the promoted one was last read by somebody, None if not told.
    """

    promoted: str
    staged: Staged | None = None
    previous: str = ""
    fetched_at: datetime | None = None


@dataclass(frozen=True)
class Store(ABC):
    """One store of the targets file: `[store.<name>]`.

    `look` uses the observer's credential, which cannot read a value. All others take a clearance
    and stop at the deadline. A repeated call in the wanted state changes nothing and succeeds.
    """

    kind: ClassVar[str]
    needs: ClassVar[tuple[Library, ...]] = ()
    name: str
    # Patterns of locators, each with the patterns of the paths that its identities may use.
    allow: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({}), kw_only=True
    )
    simulated: bool = field(default=False, kw_only=True)

    def allows(self, target: Target, path: str) -> bool:
        """Return whether the credential of this target may be delivered to this path."""
        return any(
            matches(locators, target.locator) and any(matches(one, path) for one in paths)
            for locators, paths in self.allow.items()
        )

    def is_own(self, target: Target) -> bool:
        """Return whether the target is a credential with which the portal works at this store."""
        return False

    @abstractmethod
    def look(self, path: str) -> Held:
        """Return what the place holds. Raises TargetUnobservable."""

    @abstractmethod
    def stage(
        self,
        clearance: Clearance,
        path: str,
        staged: Staged,
        value: SecretValue,
        deadline: Deadline,
    ) -> None:
        """Stage a value under a version's name; plain reads keep returning the old one.

        The version also has the fields of the promoted one that the value does not have.
        Raises StagedByOther, StoreUnavailable, StoreUnknown.
        """

    @abstractmethod
    def read_staged(
        self, clearance: Clearance, path: str, deadline: Deadline
    ) -> tuple[Staged, SecretValue] | None:
        """Return the staged version with its value, which may be empty; None if there is none.

        Raises StoreUnavailable.
        """

    @abstractmethod
    def read(
        self, clearance: Clearance, path: str, version: str, deadline: Deadline
    ) -> SecretValue | None:
        """Return the value of a version, staged or not; None if it is not kept.

        Raises StoreUnavailable.
        """

    @abstractmethod
    def promote(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        """Let plain reads return this version, staged or previous.

        Raises PromotedByOther if the promoted version is not the one of the time of staging,
        StoreUnavailable, StoreUnknown.
        """

    @abstractmethod
    def discard(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        """Delete a version that is not promoted; no effect if it is not kept.

        Raises StoreUnavailable, StoreUnknown.
        """


@dataclass(frozen=True)
class OpenPlace:
    """A place of a store for one step: with its clearance, version name and deadline."""

    store: Store
    path: str
    staged: Staged
    clearance: Clearance
    deadline: Deadline

    @property
    def version(self) -> str:
        return self.staged.version

    def __str__(self) -> str:
        return str(StorePlace(self.store.name, self.path))

    def look(self) -> Held:
        return self.store.look(self.path)

    def stage(self, value: SecretValue) -> None:
        self.store.stage(self.clearance, self.path, self.staged, value, self.deadline)

    def read_staged(self) -> tuple[Staged, SecretValue] | None:
        return self.store.read_staged(self.clearance, self.path, self.deadline)

    def read(self) -> SecretValue | None:
        return self.store.read(self.clearance, self.path, self.version, self.deadline)

    def promote(self) -> None:
        self.store.promote(self.clearance, self.path, self.version, self.deadline)

    def discard(self) -> None:
        self.store.discard(self.clearance, self.path, self.version, self.deadline)


def matches(pattern: str, text: str) -> bool:
    """Return whether the text fits; `*` stands for any characters but `/`."""
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch("[^/]*".join(parts), text) is not None
