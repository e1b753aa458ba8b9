"""What the templates get: plain, finished data. Templates neither query nor decide.

Text that an agent wrote keeps the suffix ``_said``; templates pass it through ``inert``.
"""

from __future__ import annotations

from remediation.views.cards.action import Field, ObservedCard, Pin, StepCard
from remediation.views.cards.assessed import (
    Assessed,
    CheckRow,
    Choice,
    Decide,
    GateRow,
    Rail,
    ReviewRow,
    SlotRow,
)
from remediation.views.cards.diagnosis import (
    AgentRecord,
    ArtefactPart,
    CitationRow,
    ClaimRow,
    DiagnosisCard,
    EvidenceRow,
)
from remediation.views.cards.scope import ScopeCard, ScopeRow, ScopeTargetRow
from remediation.views.history.page import HistoryRow, IncidentRow
from remediation.views.queue.page import QueueGroup, QueuePage, QueueRow, TargetGroup
from remediation.views.review.page import ReviewPage

__all__ = [
    "AgentRecord",
    "ArtefactPart",
    "Assessed",
    "CheckRow",
    "Choice",
    "CitationRow",
    "ClaimRow",
    "Decide",
    "DiagnosisCard",
    "EvidenceRow",
    "Field",
    "GateRow",
    "HistoryRow",
    "IncidentRow",
    "ObservedCard",
    "Pin",
    "QueueGroup",
    "QueuePage",
    "QueueRow",
    "Rail",
    "ReviewPage",
    "ReviewRow",
    "ScopeCard",
    "ScopeRow",
    "ScopeTargetRow",
    "SlotRow",
    "StepCard",
    "TargetGroup",
]
