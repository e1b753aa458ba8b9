"""The data of the pages about a person's own account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from remediation.views.forms import InviteForm, PasskeyForm


@dataclass(frozen=True)
class PasskeyRow:
    """One passkey; an operator compares its fingerprint."""

    id: int
    name: str
    fingerprint: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class PasskeysPage:
    """The passkeys of the person, and the form to add one."""

    rows: tuple[PasskeyRow, ...]
    form: PasskeyForm


@dataclass(frozen=True)
class Column:
    """A channel that the person may choose."""

    name: str
    title: str


@dataclass(frozen=True)
class Choice:
    """Whether one kind is told by one channel."""

    channel: str
    pair: str
    on: bool


@dataclass(frozen=True)
class KindRow:
    """A kind of thing that people are told."""

    title: str
    always: bool
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class KindGroup:
    """Kinds under one heading."""

    title: str
    rows: tuple[KindRow, ...]


@dataclass(frozen=True)
class ChannelRow:
    """A team's channel, as the operator set it up; its address is nowhere here."""

    title: str
    service: str
    roles: tuple[str, ...]
    failing: bool
    problem: str
    since: datetime


@dataclass(frozen=True)
class SessionRow:
    """One sign-in of the person."""

    at: datetime
    browser: str
    current: bool


@dataclass(frozen=True)
class SettingsPage:
    """A person's own settings."""

    email: str
    columns: tuple[Column, ...]
    groups: tuple[KindGroup, ...]
    teams: tuple[ChannelRow, ...]
    # Mail, when it fails.
    mail: ChannelRow | None
    lost: str
    theme: str
    sessions: tuple[SessionRow, ...]
    passkeys: int


@dataclass(frozen=True)
class InvitePage:
    """The form for a one-time code, used before sign-in."""

    form: InviteForm
