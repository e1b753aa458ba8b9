"""The data of the page on which a reviewer leaves something out of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from remediation.domain.catalogue import Narrows
from remediation.views.cards.evidence import EvidenceRow


@dataclass(frozen=True)
class Slot:
    value: str
    title: str


@dataclass(frozen=True)
class Smaller:
    """One parameter of a step that may be made smaller."""

    name: str
    how: Narrows
    # The members of a list, each at its place; of another parameter its one value.
    members: tuple[str, ...]

    @property
    def is_list(self) -> bool:
        return self.how is Narrows.SUBSET

    @property
    def is_number(self) -> bool:
        return self.how is Narrows.SMALLER


@dataclass(frozen=True)
class StepChoice:
    index: int
    sentence: str
    # Whether it takes access away; the others may be left out, too.
    removes_access: bool
    smaller: tuple[Smaller, ...]
    # The name to type for it; "" where none is asked for. Steps on one target share it.
    to_type: str
    locator: str

    @property
    def number(self) -> int:
        return self.index + 1


@dataclass(frozen=True)
class NarrowPage:
    """The form. Nothing is preselected: what is not left out stays as it is."""

    proposal_id: UUID
    round: int
    look: int  # the newest equal look of the round
    sentences: tuple[str, ...]
    person: str
    steps: tuple[StepChoice, ...]
    slots: tuple[Slot, ...]
    # What others decided in this round; it will not count for the new version.
    void: int
    # The artefacts that an approval asks to have opened.
    artefacts: tuple[EvidenceRow, ...]
