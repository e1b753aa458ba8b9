"""The errors of the log's maths."""

from __future__ import annotations


class NotCanonical(ValueError):
    """The value has no canonical form."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        self.detail = detail
        self.pointer = pointer
        super().__init__(f"{detail} at {pointer or 'the top'}")
