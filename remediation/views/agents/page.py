"""The data of the list of agents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Next(StrEnum):
    """What somebody has to do for this agent next; the first that applies."""

    NOTHING = ""
    NEW_OWNER = "new_owner"  # the owner's account is inactive or gone
    NO_TOKEN = "no_token"  # noqa: S105  a state
    ROTATE = "rotate"  # the last token ends soon
    UNUSED = "unused"


@dataclass(frozen=True)
class AgentRow:
    """One agent and where it stands."""

    agent_id: UUID
    name: str
    owner_name: str
    owner_active: bool
    enabled: bool
    tokens: int  # that can be used now
    token_until: datetime | None
    last_used: datetime | None
    calls: int
    refused: int
    proposals: int
    waiting: int
    confirmed: int
    judged: int
    next: Next


@dataclass(frozen=True)
class AgentsPage:
    """The list of agents, as it is limited."""

    rows: tuple[AgentRow, ...]
    total: int
    q: str
    state: str
    states: tuple[str, ...]
    may_change: bool
