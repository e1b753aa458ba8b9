"""The data of the queue's page: sections of lines, most urgent first."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from remediation.views.cards.proposal_rows import ProposalRow
from remediation.views.queue.figures import Figures
from remediation.views.queue.plans import NeedsPlan


@dataclass(frozen=True)
class TargetGroup:
    """Proposals on one target: the most urgent one first, then the others."""

    first: ProposalRow
    others: tuple[ProposalRow, ...] = ()
    total: int = 1

    @property
    def unseen(self) -> int:
        """Return how many proposals on the target this page leaves out."""
        return self.total - 1 - len(self.others)


@dataclass(frozen=True)
class QueueGroup:
    """One section of the queue."""

    key: str
    title: str
    hint: str
    groups: tuple[TargetGroup, ...]
    more: str = ""  # the query of the next page; empty on the last page
    looked: int = 0  # how many rows were read, at most

    @property
    def count(self) -> int:
        return sum(group.total for group in self.groups)

    @property
    def rows(self) -> tuple[ProposalRow, ...]:
        return tuple(row for group in self.groups for row in (group.first, *group.others))


@dataclass(frozen=True)
class QueuePage:
    """The part of the page that is rendered again when ``seen`` changes."""

    groups: tuple[QueueGroup, ...]
    mine: str  # how many wait for the person: "3", or "50+"
    first: bool  # whether it is the first page
    may_see: bool  # whether the person may see any proposal
    may_take: bool  # whether the person may take incidents
    person: UUID
    figures: Figures | None  # only above the whole queue
    needs_plan: NeedsPlan | None
    seen: str = ""

    @property
    def asks(self) -> bool:
        """Return whether runs wait for this person."""
        return any(group.key == "asks" and group.groups for group in self.groups)


@dataclass(frozen=True)
class Tab:
    """A tab: whose proposals are shown."""

    title: str
    query: str
    current: bool
