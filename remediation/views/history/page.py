"""Timelines and the list of incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from remediation.views.cards.action import Field


@dataclass(frozen=True)
class HistoryRow:
    """One event of a proposal's life, newest last."""

    at: datetime
    kind: str  # transition, review, refusal, step, assessment, note
    word: str  # what TONES knows: a state, a decision, a phase
    title: str
    actor: str
    entry: int
    reason: str = ""
    fields: tuple[Field, ...] = ()
    whole: str = ""  # exact bytes, e.g. of a signed statement
    review: int = 0  # the number of the review that can be opened again
    proposal: UUID | None = None
    cause: str = ""  # a reason of a list, in the reader's language
    language: str = "en"  # of the reason: what the portal recorded; "" when a person wrote it


@dataclass(frozen=True)
class IncidentRow:
    incident_id: UUID
    title_said: str
    kind_said: str
    locator_said: str
    state: str
    detected_at: datetime
    agent: str
    owner: str
    decide_by: datetime | None
    proposals: int
    open_proposals: int
