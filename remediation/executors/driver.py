"""The declaration of a provider's executor module: its executors, and the reader of its section."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from remediation.domain.plan import Target
from remediation.executors.libraries import Library
from remediation.executors.section import Section

if TYPE_CHECKING:
    from remediation.executors.base import Executor


class Places(ABC):
    """One provider's section of the targets file: where its targets are."""

    # The provider's name, which is also the section's name.
    provider: ClassVar[str]

    @abstractmethod
    def environment(self, target: Target) -> str:
        """Return the target's environment in this file, whatever the inventory has; "" if none."""

    def is_own(self, target: Target) -> bool:
        """Return whether the portal itself uses the target; a plan against it fails a check."""
        return False


@dataclass(frozen=True)
class Driver:
    """The code for one provider's declaration.

    `read` parses the provider's section of the targets file, if the file has one. It must not open
    credential files. It raises TargetsFileInvalid; keys that it does not ask for are refused.
    """

    provider: str
    executors: tuple[type[Executor], ...]
    read: Callable[[Section], Places]
    # What its executors import, where that is an extra of this package.
    needs: tuple[Library, ...] = ()
