"""The queue, most urgent first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from remediation.views.cards.assessed import SlotRow


@dataclass(frozen=True)
class QueueRow:
    proposal_id: UUID
    sentence: str
    more_steps: int
    environment: str
    risk: str
    state: str
    round: int
    incident_title_said: str
    agent: str
    detected_at: datetime
    due: datetime | None
    target: str
    slots: tuple[SlotRow, ...]
    mine: bool = False  # the person who looks could decide it now
    lookers: tuple[str, ...] = ()  # others who have its page open now


@dataclass(frozen=True)
class TargetGroup:
    """Proposals on one target: the most urgent one, and those behind it."""

    first: QueueRow
    others: tuple[QueueRow, ...] = ()
    total: int = 1

    @property
    def unseen(self) -> int:
        """How many more there are than this page shows."""
        return self.total - 1 - len(self.others)


@dataclass(frozen=True)
class QueueGroup:
    key: str
    title: str
    hint: str
    groups: tuple[TargetGroup, ...]
    more: str = ""  # the address of what follows; empty when this is all
    looked: int = 0  # so many were looked at, at most

    @property
    def count(self) -> int:
        return sum(group.total for group in self.groups)

    @property
    def rows(self) -> tuple[QueueRow, ...]:
        return tuple(row for group in self.groups for row in (group.first, *group.others))


@dataclass(frozen=True)
class QueuePage:
    """The part of the page that is drawn again when something changed; ``seen`` tells whether."""

    groups: tuple[QueueGroup, ...]
    mine: str  # how many wait for the person: a number, or one with a plus
    first: bool  # whether it is the first page
    may_see: bool  # whether the person's roles let it see any proposal
    seen: str = ""
