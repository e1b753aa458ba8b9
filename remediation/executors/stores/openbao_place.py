"""What the metadata of the key-value engine tell of a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Keys of the custom metadata of a place: the promoted version and its number in the engine, and
# the one before. The number tells whether somebody wrote a newer one since.
PROMOTED, PROMOTED_AT = "hitl_version", "hitl_number"
PREVIOUS, PREVIOUS_AT = "hitl_previous", "hitl_previous_number"
MADE_BY = "hitl_made_by"


@dataclass(frozen=True)
class BaoPlace:
    """The engine's metadata of a path: its newest number, and the custom metadata."""

    number: int
    custom: Mapping[str, str]
    deleted: bool

    @property
    def promoted(self) -> str:
        if self.number == 0 or self.deleted:
            return ""
        if self.custom.get(PROMOTED_AT) == str(self.number):
            return self.custom[PROMOTED]
        return f"kv-{self.number}"  # written by somebody else

    def number_of(self, version: str) -> int | None:
        if version == self.promoted:
            return self.number
        if version and version == self.custom.get(PREVIOUS):
            return int(self.custom[PREVIOUS_AT])
        return None


NOTHING = BaoPlace(0, MappingProxyType({}), False)
