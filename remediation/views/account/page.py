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
class InvitePage:
    """The form for a one-time code, used before sign-in."""

    form: InviteForm
