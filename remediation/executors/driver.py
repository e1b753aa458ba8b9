"""What a provider's executor module declares: its executors, and how its section is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from remediation.domain.plan import Target
from remediation.executors.section import Section

if TYPE_CHECKING:
    from remediation.executors.base import Executor


class Places(ABC):
    """Where one provider's targets are, as its section of the targets file says."""

    # The provider's name, which is the section's name too.
    provider: ClassVar[str]

    @abstractmethod
    def environment(self, target: Target) -> str:
        """What this host says the target is, whatever the inventory says; "" for nothing."""

    def is_own(self, target: Target) -> bool:
        """Whether the portal itself works with the target: a plan against it fails a check."""
        return False


@dataclass(frozen=True)
class Driver:
    """The code for one provider's declaration.

    `read` gets the provider's section of the targets file, and only when the file has one. It
    opens no credential file, and raises TargetsFileInvalid; what it does not ask for is refused.
    """

    provider: str
    executors: tuple[type[Executor], ...]
    read: Callable[[Section], Places]
