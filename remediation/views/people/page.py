"""The data of the pages about people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Key(StrEnum):
    """What the portal knows of a person's key in the approvers file."""

    NOT_NEEDED = "not_needed"  # no role that signs
    MISSING = "missing"
    THERE = "there"
    ENDED = "ended"


class Next(StrEnum):
    """What somebody has to do for this person next; the first that applies."""

    NOTHING = ""
    INVITE = "invite"
    WAIT = "wait"  # an invitation is open
    ADD_KEY = "add_key"
    GIVE_RIGHT = "give_right"
    SECOND_PASSKEY = "second_passkey"


@dataclass(frozen=True)
class PersonRow:
    """One account and where it stands."""

    user_id: int
    person: UUID
    username: str
    name: str
    active: bool
    roles: tuple[str, ...]
    passkeys: int
    last_seen: datetime | None
    invited_until: datetime | None
    key: Key
    key_roles: tuple[str, ...]
    key_until: datetime | None
    next: Next
    # The line that an operator types on the worker's host; empty where none is needed.
    command: str


@dataclass(frozen=True)
class PeoplePage:
    """The list of people, as it is limited."""

    rows: tuple[PersonRow, ...]
    total: int
    open: int  # people with a next step
    q: str
    role: str
    state: str
    roles: tuple[str, ...]
    states: tuple[str, ...]
    may_change: bool


@dataclass(frozen=True)
class InvitedPage:
    """A one-time code, shown once."""

    username: str
    code: str
    address: str
