"""The closed list of event names in the audit log: source:subject:action."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """Every kind of entry that this product appends to the audit log."""

    # Actions of agents.
    AGENT_REPORT_SUBMITTED = "agent:report:submitted"
    AGENT_PROPOSAL_SUBMITTED = "agent:proposal:submitted"
    AGENT_PROPOSAL_WITHDRAWN = "agent:proposal:withdrawn"
    AGENT_PROPOSAL_SUPERSEDED = "agent:proposal:superseded"
    AGENT_INCIDENT_OPENED = "agent:incident:opened"
    AGENT_REQUEST_REFUSED = "agent:request:refused"

    # Decisions of people.
    PERSON_REVIEW_STARTED = "person:review:started"
    PERSON_REVIEW_SIGNED = "person:review:signed"
    PERSON_REVIEW_REFUSED = "person:review:refused"
    PERSON_OBSERVATION_ASKED = "person:observation:asked"
    PERSON_PROPOSAL_SUBMITTED = "person:proposal:submitted"
    PERSON_PROPOSAL_APPROVED = "person:proposal:approved"
    PERSON_PROPOSAL_WITHDRAWN = "person:proposal:withdrawn"
    PERSON_PROPOSAL_SUPERSEDED = "person:proposal:superseded"
    PERSON_NARROWING_STARTED = "person:narrowing:started"
    PERSON_PLAN_NARROWED = "person:plan:narrowed"
    PERSON_DIAGNOSIS_CORRECTED = "person:diagnosis:corrected"
    PERSON_HALT_STARTED = "person:halt:started"
    PERSON_EXECUTION_HALTED = "person:execution:halted"
    PERSON_SETTLEMENT_STARTED = "person:settlement:started"
    PERSON_RUN_SETTLED = "person:run:settled"
    PERSON_ANSWER_STARTED = "person:answer:started"
    PERSON_WAIT_ANSWERED = "person:wait:answered"
    PERSON_INCIDENT_CLOSED = "person:incident:closed"
    PERSON_INCIDENT_CONTAINED = "person:incident:contained"
    PERSON_INCIDENT_ASSIGNED = "person:incident:assigned"
    PERSON_INCIDENT_UNASSIGNED = "person:incident:unassigned"
    PERSON_INCIDENT_COMMENTED = "person:incident:commented"
    PERSON_LOOK_ASKED = "person:look:asked"
    PERSON_OUTCOME_ANSWERED = "person:outcome:answered"
    PERSON_LIVE_ASKED = "person:live:asked"
    PERSON_EVIDENCE_REVEALED = "person:evidence:revealed"
    PERSON_REQUEST_REFUSED = "person:request:refused"

    # Other changes by people.
    PERSON_INVENTORY_CHANGED = "person:inventory:changed"
    PERSON_INVENTORY_IMPORTED = "person:inventory:imported"
    PERSON_AGENT_CREATED = "person:agent:created"
    PERSON_AGENT_CHANGED = "person:agent:changed"
    PERSON_AGENT_REPORTED = "person:agent:reported"
    PERSON_TOKEN_CREATED = "person:token:created"  # noqa: S105  a name
    PERSON_TOKEN_REVOKED = "person:token:revoked"  # noqa: S105  a name
    PERSON_USER_CREATED = "person:user:created"
    PERSON_USER_CHANGED = "person:user:changed"
    PERSON_GROUP_CHANGED = "person:group:changed"
    PERSON_RIGHT_CHANGED = "person:right:changed"
    PERSON_PASSKEY_ENROLLED = "person:passkey:enrolled"
    PERSON_PASSKEY_REMOVED = "person:passkey:removed"
    PERSON_SESSION_STARTED = "person:session:started"
    PERSON_SESSION_ENDED = "person:session:ended"
    PERSON_AUDIT_READ = "person:audit:read"
    PERSON_AUDIT_EXPORTED = "person:audit:exported"
    PERSON_BUNDLE_EXPORTED = "person:bundle:exported"
    PERSON_VIEW_SAVED = "person:view:saved"
    PERSON_VIEW_REMOVED = "person:view:removed"
    PERSON_NOTICES_CHOSEN = "person:notices:chosen"
    PERSON_SESSIONS_ENDED = "person:sessions:ended"

    # Actions of the worker.
    WORKER_PROPOSAL_ASSESSED = "worker:proposal:assessed"
    WORKER_PROPOSAL_SEEN_AGAIN = "worker:proposal:seen_again"
    WORKER_PROPOSAL_REASSESSED = "worker:proposal:reassessed"
    WORKER_PROPOSAL_REJECTED = "worker:proposal:rejected"
    WORKER_PROPOSAL_RETURNED = "worker:proposal:returned"
    WORKER_PROPOSAL_SUPERSEDED = "worker:proposal:superseded"
    WORKER_PROPOSAL_EXPIRED = "worker:proposal:expired"
    WORKER_PROPOSAL_REFUSED = "worker:proposal:refused"
    WORKER_PROPOSAL_EXECUTING = "worker:proposal:executing"
    WORKER_PROPOSAL_WAITING = "worker:proposal:waiting"
    WORKER_PROPOSAL_SUCCEEDED = "worker:proposal:succeeded"
    WORKER_PROPOSAL_FAILED = "worker:proposal:failed"
    WORKER_PROPOSAL_STOPPED = "worker:proposal:stopped"
    WORKER_PROPOSAL_ROLLED_BACK = "worker:proposal:rolled_back"
    WORKER_PROPOSAL_UNKNOWN = "worker:proposal:unknown"
    WORKER_STEP_RECORDED = "worker:step:recorded"
    WORKER_STEP_TIGHTENED = "worker:step:tightened"
    WORKER_STEP_LATE = "worker:step:late"
    WORKER_WAIT_BEGUN = "worker:wait:begun"
    WORKER_WAIT_LOOKED = "worker:wait:looked"
    WORKER_WAIT_OVERDUE = "worker:wait:overdue"
    WORKER_GATE_CLEARED = "worker:gate:cleared"
    WORKER_GATE_REFUSED = "worker:gate:refused"
    WORKER_REVIEW_REFUSED = "worker:review:refused"
    WORKER_HALT_VERIFIED = "worker:halt:verified"
    WORKER_HALT_REFUSED = "worker:halt:refused"
    WORKER_SETTLEMENT_VERIFIED = "worker:settlement:verified"
    WORKER_SETTLEMENT_REFUSED = "worker:settlement:refused"
    WORKER_ANSWER_VERIFIED = "worker:answer:verified"
    WORKER_ANSWER_REFUSED = "worker:answer:refused"
    WORKER_INCIDENT_CONTAINED = "worker:incident:contained"
    WORKER_INCIDENT_LOOKED = "worker:incident:looked"
    WORKER_OUTCOME_ASKED = "worker:outcome:asked"
    WORKER_LIVE_OBSERVED = "worker:live:observed"
    WORKER_SECRET_COMPARED = "worker:secret:compared"  # noqa: S105  a name
    WORKER_INCIDENT_REOPENED = "worker:incident:reopened"
    WORKER_NOTICE_SENT = "worker:notice:sent"
    WORKER_NOTICE_LOST = "worker:notice:lost"
    WORKER_CHANNEL_CHANGED = "worker:channel:changed"
    WORKER_CHANNEL_FAILED = "worker:channel:failed"
    WORKER_CHANNEL_RECOVERED = "worker:channel:recovered"

    # Actions of an operator on a host.
    OPERATOR_APPROVER_ADDED = "operator:approver:added"
    OPERATOR_APPROVER_REMOVED = "operator:approver:removed"
    OPERATOR_INVENTORY_CHANGED = "operator:inventory:changed"
    OPERATOR_INVENTORY_IMPORTED = "operator:inventory:imported"
    OPERATOR_USER_CREATED = "operator:user:created"
    OPERATOR_USER_CHANGED = "operator:user:changed"
    OPERATOR_GROUP_CHANGED = "operator:group:changed"
    OPERATOR_RIGHT_CHANGED = "operator:right:changed"
    OPERATOR_PASSKEYS_REMOVED = "operator:passkeys:removed"
    OPERATOR_INVITATION_MADE = "operator:invitation:made"
    PERSON_INVITATION_MADE = "person:invitation:made"
    OPERATOR_EVIDENCE_EXPORTED = "operator:evidence:exported"
    OPERATOR_FREEZE_SET = "operator:freeze:set"
    OPERATOR_FREEZE_LIFTED = "operator:freeze:lifted"
    OPERATOR_REQUEST_REFUSED = "operator:request:refused"
    OPERATOR_AUDIT_EXPORTED = "operator:audit:exported"
    OPERATOR_BUNDLE_EXPORTED = "operator:bundle:exported"
    OPERATOR_SECRET_ERASED = "operator:secret:erased"  # noqa: S105  a name
    OPERATOR_EVIDENCE_ERASED = "operator:evidence:erased"
    OPERATOR_LOG_KEY_ROTATED = "operator:log_key:rotated"
    OPERATOR_LOG_REOPENED = "operator:log:reopened"

    # Changes of accounts, groups, rights and passkeys, by a trigger (`sql/people.sql`); the actor
    # is the database login.
    DATABASE_ACCOUNT_CHANGED = "database:account:changed"
    DATABASE_GROUP_CHANGED = "database:group:changed"
    DATABASE_RIGHT_CHANGED = "database:right:changed"
    DATABASE_PASSKEY_CHANGED = "database:passkey:changed"

    # Refusals of unauthenticated callers, counted per minute.
    SYSTEM_REFUSALS_COUNTED = "system:refusals:counted"
    # Results of the daily verification of the log.
    SYSTEM_LOG_VERIFIED = "system:log:verified"
    SYSTEM_LOG_BROKEN = "system:log:broken"

    @property
    def severity(self) -> int:
        """Return OCSF's severity: 1 informational, 3 medium, 4 high, 5 critical."""
        return _GRAVE.get(self, 1)


_GRAVE = {
    Event.SYSTEM_LOG_BROKEN: 5,
    Event.WORKER_PROPOSAL_REFUSED: 4,
    Event.WORKER_STEP_LATE: 4,
    Event.WORKER_PROPOSAL_STOPPED: 3,
    Event.WORKER_PROPOSAL_UNKNOWN: 3,
    Event.WORKER_WAIT_OVERDUE: 3,
    Event.WORKER_INCIDENT_REOPENED: 4,
    Event.WORKER_GATE_REFUSED: 3,
    Event.WORKER_NOTICE_LOST: 3,
    Event.WORKER_CHANNEL_FAILED: 3,
}


# A proposal is submitted by an agent, or by a person who edits or reverses one. Entries from before
# the second event existed have the first event for both.
PROPOSED = (Event.AGENT_PROPOSAL_SUBMITTED, Event.PERSON_PROPOSAL_SUBMITTED)
