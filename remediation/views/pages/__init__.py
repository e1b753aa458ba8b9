"""What the templates get: plain, finished data. Templates neither query nor decide.

Text that an agent wrote keeps the suffix ``_said``; templates pass it through ``inert``.
"""

from __future__ import annotations

from remediation.views.pages.action import Field, ObservedCard, Pin, StepCard
from remediation.views.pages.diagnosis import (
    AgentRecord,
    ArtefactPart,
    CitationRow,
    ClaimRow,
    DiagnosisCard,
    EvidenceRow,
)
from remediation.views.pages.history import HistoryRow, IncidentRow
from remediation.views.pages.queue import QueueGroup, QueuePage, QueueRow, TargetGroup
from remediation.views.pages.review import ReviewPage
from remediation.views.pages.scope import ScopeCard, ScopeRow, ScopeTargetRow
from remediation.views.pages.standing import (
    Assessed,
    CheckRow,
    Choice,
    Decide,
    GateRow,
    Rail,
    ReviewRow,
    SlotRow,
)

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
