"""The page on which a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from remediation.views.cards.action import StepCard
from remediation.views.cards.assessed import Assessed, Decide, ReviewRow
from remediation.views.cards.diagnosis import DiagnosisCard


@dataclass(frozen=True)
class ReviewPage:
    proposal_id: UUID
    state: str
    round: int
    sentences: tuple[str, ...]
    undone: str
    environment: str
    agent: str
    agent_owner: str
    submitted_at: datetime
    incident_id: UUID
    incident_title_said: str
    incident_kind_said: str
    detected_at: datetime
    plan_digest: str
    plan_text: str
    steps: tuple[StepCard, ...]
    diagnosis: DiagnosisCard
    decide: Decide
    agent_enabled: bool = True
    # The proposal whose run this undoes: then a person proposed it, and not the agent.
    undoes: UUID | None = None
    # What the worker found; absent until it has assessed the proposal for the first time.
    assessed: Assessed | None = None
    earlier: tuple[ReviewRow, ...] = ()

    @property
    def open_for_review(self) -> bool:
        return self.state == "in_review" and self.assessed is not None
