"""What the gate finds at each numbered step: success, or a failure with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Success:
    """The evidence passes the step."""

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True)
class Failure:
    """The evidence fails the step: the refusal's name, and what was found."""

    reason: str
    detail: str

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True)
class Finding:
    """The result of one numbered step."""

    number: int
    name: str
    result: Success | Failure
