"""The data of the review page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from remediation.domain.approval_conditions import Conditions
from remediation.views.cards.alternatives import AlternativesCard
from remediation.views.cards.changed_since import Change
from remediation.views.cards.comments import Comments
from remediation.views.cards.like_this import LikeRow
from remediation.views.cards.live import LiveCard
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
    may_narrow: bool = False
    # The digest of what each verdict judges: a typed verdict is kept as a draft while it is equal.
    judged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rail:
    """The part of the head that is updated while the page is open."""

    proposal_id: UUID
    state: str
    round: int
    assessment_id: int | None = None
    look: int = 0  # the newest equal look of the round (services/access/looks.py)
    decide_by: datetime | None = None
    who: Who | None = None

    @property
    def seen(self) -> str:
        """Return by what the page knows that it shows what the worker saw last."""
        return f"{self.assessment_id}.{self.look}" if self.assessment_id else ""


@dataclass(frozen=True, kw_only=True)
class ReviewPage(ProposalPage):
    """The whole page for one person."""

    headline: str
    decide: Decide
    # What the worker read since, beside the pin.
    live: LiveCard
    rail: Rail
    happened: Happened
    changes: Changes
    # None until the worker has assessed the proposal.
    breaks: Breaks | None = None
    wrong: Wrong | None = None
    agent_enabled: bool = True
    # The proposal whose run this one reverses; a person proposed such a reversal, not the agent.
    undoes: UUID | None = None
    # The person who made the plan; empty for an agent's.
    planned_by: str = ""
    # The plans to choose from; None for a proposal that stands alone.
    choice: AlternativesCard | None = None
    # Whether this person may begin a plan of their own with the steps of this one.
    may_plan: bool = False
    # What the last version or round changed, and the version that replaced this one.
    changed: tuple[Change, ...] = ()
    successor: UUID | None = None
    earlier: tuple[ReviewRow, ...] = ()
    comments: Comments | None = None
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
class ClaimField:
    """One claim in the form for a correction."""

    text: str
    cited: int
    left_out: bool = False
    error: str = ""


@dataclass(frozen=True)
class CorrectPage:
    """The form for a correction; hidden characters are shown as code points."""

    proposal_id: UUID
    version: int
    by_person: bool  # whether a person already corrected this version
    confidence: str
    summary_now: str
    claims: tuple[ClaimField, ...]
    missing: str = ""
    reason: str = ""
    # What has to be mended, by the name of the field; "form" is about the whole form.
    errors: Mapping[str, str] = field(default_factory=dict)
    # The roles that nobody could fill, if this person could not decide any more.
    nobody_for: tuple[str, ...] = ()
