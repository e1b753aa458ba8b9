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
    """Something of the log does not hold."""

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
    """The text is not in the format that the specification asks for."""


class BadProof(TlogError):
    """The proof does not lead to the root."""


class BadSignature(TlogError):
    """A line by a known key is not a signature of this text."""


class UnknownKey(TlogError):
    """No key that is trusted here has signed it."""


class QuorumMissing(TlogError):
    """Fewer witnesses have cosigned than the policy asks for."""


class Rollback(TlogError):
    """The log is shorter than it was: what was signed before is gone."""


class Fork(TlogError):
    """The log is not a continuation of what it was: its past was rewritten."""


class Missing(TlogError):
    """A part that must be there is not."""


class Mismatch(TlogError):
    """A part is not what the entries make it."""

    def __init__(self, detail: str = "", index: int | None = None) -> None:
        self.index = index
        super().__init__(detail)


class Stale(TlogError):
    """The witness holds another size than the one that the proof starts from."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the witness holds size {size}")
