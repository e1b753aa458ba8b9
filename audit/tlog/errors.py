"""The errors of verification, one class per kind of failure.

A class's docstring is its message; its name in snake case is recorded.
"""

from __future__ import annotations

import re
from inspect import cleandoc


class NotCanonical(ValueError):
    """The value has no canonical form."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        self.detail = detail
        self.pointer = pointer
        super().__init__(f"{detail} at {pointer or 'the top'}")


class TlogError(Exception):
    """The log failed verification."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        super().__init__(detail)

    @property
    def name(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def message(self) -> str:
        return cleandoc(type(self).__doc__ or "")

    def __str__(self) -> str:
        return f"{self.name}: {self.detail or self.message}"


class Malformed(TlogError):
    """The text is not in the specified format."""


class BadProof(TlogError):
    """The proof does not lead to the root."""


class BadSignature(TlogError):
    """A known key's signature line is not valid for this text."""


class UnknownKey(TlogError):
    """No trusted key has signed this."""


class QuorumMissing(TlogError):
    """Fewer witnesses have cosigned than the policy requires."""


class Rollback(TlogError):
    """The log is shorter than a head that was signed before: entries are gone."""


class Fork(TlogError):
    """The log does not continue a head that was signed before: its past was rewritten."""


class Missing(TlogError):
    """A required part is missing."""


class Mismatch(TlogError):
    """A part differs from what the entries give."""

    def __init__(self, detail: str = "", index: int | None = None) -> None:
        self.index = index
        super().__init__(detail)


class Stale(TlogError):
    """The witness holds a size other than the one at which the proof starts."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the witness holds size {size}")
