"""Models: fields and constraints. The rules are in SQL guards and in ``domain``."""

from __future__ import annotations

from remediation.models.agent import (
    Agent,
    AgentToken,
    AgentTokenRevocation,
    AgentVersion,
    IdempotencyRecord,
)
from remediation.models.assessment import Assessment, AssessmentService
from remediation.models.discussion import IncidentAssignment, IncidentComment
from remediation.models.execution import (
    Execution,
    Freeze,
    Halt,
    HaltSession,
    HaltVerdict,
    LateResult,
    Lease,
    StepRecord,
)
from remediation.models.incident import (
    Diagnosis,
    Evidence,
    EvidenceBlob,
    Incident,
    IncidentLook,
    IncidentLookRequest,
    IncidentNotice,
    IncidentReport,
    IncidentTransition,
)
from remediation.models.inventory import (
    Dependency,
    DependencyVersion,
    Identity,
    IdentityVersion,
    Service,
    ServiceVersion,
)
from remediation.models.people import Invitation, InvitationUse, PasskeyEnrolment, User
from remediation.models.proposal import (
    Notice,
    ObservationRequest,
    OutboxMessage,
    Proposal,
    ProposalTarget,
    Refusal,
    Transition,
)
from remediation.models.queue import NO_SERVICE, IncidentEntry, QueueEntry, QueueService, SavedView
from remediation.models.review import Review, ReviewSession
from remediation.models.secrecy import EvidenceErasure, EvidenceScan

__all__ = [
    "NO_SERVICE",
    "Agent",
    "AgentToken",
    "AgentTokenRevocation",
    "AgentVersion",
    "Assessment",
    "AssessmentService",
    "Dependency",
    "DependencyVersion",
    "Diagnosis",
    "Evidence",
    "EvidenceBlob",
    "EvidenceErasure",
    "EvidenceScan",
    "Execution",
    "Freeze",
    "Halt",
    "HaltSession",
    "HaltVerdict",
    "IdempotencyRecord",
    "Identity",
    "IdentityVersion",
    "Incident",
    "IncidentAssignment",
    "IncidentComment",
    "IncidentEntry",
    "IncidentLook",
    "IncidentLookRequest",
    "IncidentNotice",
    "IncidentReport",
    "IncidentTransition",
    "Invitation",
    "InvitationUse",
    "LateResult",
    "Lease",
    "Notice",
    "ObservationRequest",
    "OutboxMessage",
    "PasskeyEnrolment",
    "Proposal",
    "ProposalTarget",
    "QueueEntry",
    "QueueService",
    "Refusal",
    "Review",
    "ReviewSession",
    "SavedView",
    "Service",
    "ServiceVersion",
    "StepRecord",
    "Transition",
    "User",
]
