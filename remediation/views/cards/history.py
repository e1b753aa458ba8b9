"""One line of a history: what happened, when, by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from remediation.views.cards.fields import Field


@dataclass(frozen=True)
class HistoryRow:
    """One recorded event of a proposal or an incident."""

    at: datetime
    kind: str  # transition, review, refusal, step, assessment, note
    word: str  # a state, a decision or a phase; gives the tone
    title: str
    actor: str
    entry: int
    reason: str = ""
    fields: tuple[Field, ...] = ()
    whole: str = ""  # exact bytes, e.g. of a signed statement
    review: int = 0  # the number of the review that can be opened; 0: none
    proposal: UUID | None = None
    cause: str = ""  # the reason chosen from a list, in the reader's language
    language: str = "en"  # of the reason; "" when a person wrote it


def in_order(found: list[HistoryRow]) -> list[HistoryRow]:
    """Sort oldest first, by audit entry: all times within one transaction are equal."""
    return sorted(found, key=lambda row: (row.entry, row.at))
