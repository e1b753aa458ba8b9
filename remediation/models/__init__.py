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
from remediation.models.live import LiveObservation, LiveRequest, SecretCheck
from remediation.models.outcome import OutcomeAnswer, OutcomeQuestion
from remediation.models.people import (
    ApproverKey,
    EnvironmentName,
    Invitation,
    InvitationUse,
    OwnerTeam,
    PasskeyEnrolment,
    User,
)
from remediation.models.proposal import (
    Choice,
    Notice,
    ObservationRequest,
    OutboxMessage,
    Proposal,
    ProposalTarget,
    Refusal,
    SeenAgain,
    Transition,
)
from remediation.models.queue import NO_SERVICE, IncidentEntry, QueueEntry, QueueService, SavedView
from remediation.models.review import Narrowing, Review, ReviewSession
from remediation.models.secrecy import EvidenceErasure, EvidenceScan
from remediation.models.telling import Delivery, NoticeChannel, NoticeChoice, Telling
from remediation.models.waiting import Resumption, Wait, WaitLook, WaitOverdue

__all__ = [
    "NO_SERVICE",
    "Agent",
    "AgentToken",
    "AgentTokenRevocation",
    "AgentVersion",
    "ApproverKey",
    "Assessment",
    "AssessmentService",
    "Choice",
    "Delivery",
    "Dependency",
    "DependencyVersion",
    "Diagnosis",
    "EnvironmentName",
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
    "LiveObservation",
    "LiveRequest",
    "Narrowing",
    "Notice",
    "NoticeChannel",
    "NoticeChoice",
    "ObservationRequest",
    "OutboxMessage",
    "OutcomeAnswer",
    "OutcomeQuestion",
    "OwnerTeam",
    "PasskeyEnrolment",
    "Proposal",
    "ProposalTarget",
    "QueueEntry",
    "QueueService",
    "Refusal",
    "Resumption",
    "Review",
    "ReviewSession",
    "SavedView",
    "SecretCheck",
    "SeenAgain",
    "Service",
    "ServiceVersion",
    "StepRecord",
    "Telling",
    "Transition",
    "User",
    "Wait",
    "WaitLook",
    "WaitOverdue",
]
