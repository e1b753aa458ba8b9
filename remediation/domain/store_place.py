"""A place in a store where consumers read a credential, and the name of a version there.

A place is `store:path`, for example `apps:orders/database`: the name of a store in the worker's
targets file, and the path there. No value of a secret stands in either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

MAX_PLACE = 240
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
# For the JSON Schema of a parameter: no empty, hidden or parent segment, at most eight of them.
PATTERN = rf"^[a-z][a-z0-9-]{{0,39}}:{_SEGMENT}(?:/{_SEGMENT}){{0,7}}$"
_PLACE = re.compile(PATTERN.replace("$", r"\Z"))
# Names of versions that the portal makes.
VERSION = r"hitl-[0-9a-f]{12}-[0-9]{1,3}"


@dataclass(frozen=True)
class StorePlace:
    """A store by its name, and a path in it."""

    store: str
    path: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `store:path`. Raises ValueError."""
        if not isinstance(text, str) or len(text) > MAX_PLACE or not _PLACE.match(text):
            raise ValueError("a place reads store:path")
        store, _, path = text.partition(":")
        return cls(store, path)

    def __str__(self) -> str:
        return f"{self.store}:{self.path}"


def version_name(proposal: str, step: int) -> str:
    """Return the name of the version that this step of this proposal makes; it is no secret.

    Not of the plan: the same plan is proposed again at the next leak, and what it made the first
    time is then the credential to replace.
    """
    return f"hitl-{proposal[-12:]}-{step}"


def is_version_name(text: str) -> bool:
    """Return whether a version's name is of this form, so that a portal may have made it."""
    return re.fullmatch(VERSION, text) is not None
