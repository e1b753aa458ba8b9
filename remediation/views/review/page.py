"""The data of the review page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from remediation.domain.approval_conditions import Conditions
from remediation.views.cards.like_this import LikeRow
from remediation.views.cards.proposal import ProposalPage
from remediation.views.cards.reviews import ReviewRow
from remediation.views.cards.who import Who
from remediation.views.review.tiles import Breaks, Changes, Happened, Wrong


@dataclass(frozen=True)
class Choice:
    """One option of a list."""

    value: str
    title: str


@dataclass(frozen=True)
class Decide:
    """What this person may do on the page."""

    slots: tuple[Choice, ...]
    why_not: str  # empty when the person may decide
    reject_reasons: tuple[Choice, ...]
    return_reasons: tuple[Choice, ...]
    person: str
    # What a person must open and type before an approval.
    conditions: Conditions = field(default_factory=Conditions)
    may_report: bool = False
    may_correct: bool = False


@dataclass(frozen=True)
class Rail:
    """The part of the head that is updated while the page is open."""

    proposal_id: UUID
    state: str
    round: int
    assessment_id: int | None = None
    decide_by: datetime | None = None
    who: Who | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewPage(ProposalPage):
    """The whole page for one person."""

    headline: str
    decide: Decide
    rail: Rail
    happened: Happened
    changes: Changes
    # None until the worker has assessed the proposal.
    breaks: Breaks | None = None
    wrong: Wrong | None = None
    agent_enabled: bool = True
    # The proposal whose run this one reverses; a person proposed such a reversal, not the agent.
    undoes: UUID | None = None
    earlier: tuple[ReviewRow, ...] = ()
    like_this: tuple[LikeRow, ...] = ()

    @property
    def open_for_review(self) -> bool:
        return self.state == "in_review" and self.assessed is not None

    @property
    def several(self) -> bool:
        return len(self.steps) > 1

    @property
    def may_decide(self) -> bool:
        return self.open_for_review and not self.decide.why_not


@dataclass(frozen=True)
class CorrectPage:
    """The form for a correction; hidden characters are shown as code points."""

    proposal_id: UUID
    version: int
    by_person: bool  # whether a person already corrected this version
    confidence: int
    summary_now: str
    claims: tuple[tuple[str, int], ...]  # the text, and its number of citations
