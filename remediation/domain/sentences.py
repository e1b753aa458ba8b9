"""Describe any entry of the audit log in one plain sentence.

The sentence helps people to find an entry; the entry's bytes are the evidence. Values from agents
are in quotes, and callers must show the sentence as inert text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from remediation.domain.events import Event
from remediation.domain.slots import role_of

# A longer value is cut and marked, so that the sentence stays short; the bytes have all of it.
MAX_VALUE = 160

# {who} is the actor, {what} the object, {name} a field of the entry's data, {name.part} a field
# inside that field. In the order of events.py.
SENTENCES: dict[Event, str] = {
    Event.AGENT_REPORT_SUBMITTED: "{who} reported {what} with {evidence#artefact}.",
    Event.AGENT_PROPOSAL_SUBMITTED: "{who} proposed {what} for incident {incident!}.",
    Event.AGENT_PROPOSAL_WITHDRAWN: "{who} withdrew {what}.",
    Event.AGENT_PROPOSAL_SUPERSEDED: "{who} replaced {what} by a newer proposal.",
    Event.AGENT_INCIDENT_OPENED: "{who} opened {what}: {title} ({kind}), about {identity}.",
    Event.AGENT_REQUEST_REFUSED: "A request of {who} to {what} was refused: {refusal}.",
    Event.PERSON_REVIEW_STARTED: "{who} began to sign a decision on {what}, round {round}.",
    Event.PERSON_REVIEW_SIGNED: (
        "{who} signed “{statement.decision}” on {what}, round {statement.round}, as"
        " {statement.slot}: diagnosis {statement.verdicts.diagnosis}, scope"
        " {statement.verdicts.scope}, action {statement.verdicts.action}."
    ),
    Event.PERSON_REVIEW_REFUSED: "A review by {who} of {what} was refused: {refusal}.",
    Event.PERSON_OBSERVATION_ASKED: "{who} asked the worker to look at the target of {what} again.",
    Event.PERSON_PROPOSAL_SUBMITTED: "{who} proposed {what} for incident {incident!}.",
    Event.PERSON_PROPOSAL_APPROVED: (
        "With the review of {who} {what} was approved, round {round}, by {reviews} reviews."
    ),
    Event.PERSON_PROPOSAL_WITHDRAWN: "{who} withdrew {what}.",
    Event.PERSON_PROPOSAL_SUPERSEDED: "{who} replaced {what} by a newer proposal.",
    Event.PERSON_NARROWING_STARTED: "{who} began to sign that something is left out of {what}.",
    Event.PERSON_PLAN_NARROWED: (
        "{who} left something out of the plan of {statement.proposal} and signed the rest, {what},"
        " as {statement.slot}: {statement.reason}."
    ),
    Event.PERSON_DIAGNOSIS_CORRECTED: "{who} corrected the diagnosis of {what}: {reason}.",
    Event.PERSON_HALT_STARTED: "{who} began to sign a halt of {what}.",
    Event.PERSON_EXECUTION_HALTED: "{who} signed a halt of {what}: {statement.reason}.",
    Event.PERSON_SETTLEMENT_STARTED: "{who} began to sign that {what} is settled by hand.",
    Event.PERSON_RUN_SETTLED: "{who} signed that {what} is settled by hand: {statement.reason}.",
    Event.PERSON_ANSWER_STARTED: "{who} began to sign an answer to {what}, which waits.",
    Event.PERSON_WAIT_ANSWERED: (
        "{who} signed “{statement.decision}” for {what}: {statement.reason}."
    ),
    Event.PERSON_INCIDENT_CLOSED: "{who} closed {what} as {outcome}: {reason}.",
    Event.PERSON_INCIDENT_CONTAINED: "{who} confirmed a look: {what} is contained.",
    Event.PERSON_INCIDENT_ASSIGNED: "{who} assigned {what} to person {person!}.",
    Event.PERSON_INCIDENT_UNASSIGNED: "{who} left {what} to nobody: it has no assignee.",
    Event.PERSON_INCIDENT_COMMENTED: "{who} commented on {what}: {text}.",
    Event.PERSON_LIVE_ASKED: "{who} asked the worker to read the identities of {what} now.",
    Event.PERSON_OUTCOME_ANSWERED: (
        "{who} said how {what} turned out: diagnosis {diagnosis}, scope {scope}, action {action}."
    ),
    Event.PERSON_LOOK_ASKED: "{who} asked the worker to look at the identity of {what}.",
    Event.PERSON_EVIDENCE_REVEALED: (
        "{who} looked at {secrets} in artefact {artefact} of {what}: {reason}."
    ),
    Event.PERSON_REQUEST_REFUSED: "A request of {who} to {what} was refused: {refusal}.",
    Event.PERSON_INVENTORY_CHANGED: "{who} changed the inventory of {what}.",
    Event.PERSON_INVENTORY_IMPORTED: (
        "{who} imported {changes#change} into the inventory from {format} files, part {part} of"
        " {parts}."
    ),
    Event.PERSON_AGENT_CREATED: "{who} created {what}, called {name}, owned by {owner!}.",
    Event.PERSON_AGENT_CHANGED: "{who} changed {what}.",
    Event.PERSON_AGENT_REPORTED: "{who} reported {what} as suspicious; it is suspended.",
    Event.PERSON_TOKEN_CREATED: (
        "{who} made {what} for agent {agent!}, beginning with {prefix}, good until {expires_at}."
    ),
    Event.PERSON_TOKEN_REVOKED: "{who} revoked {what} of agent {agent!}.",
    Event.PERSON_USER_CREATED: "{who} created the account of {what}.",
    Event.PERSON_USER_CHANGED: "{who} changed the account of {what}.",
    Event.PERSON_GROUP_CHANGED: "{who} changed {what}.",
    Event.PERSON_RIGHT_CHANGED: "{who} changed the right {right} of {holder!} on {what}.",
    Event.PERSON_PASSKEY_ENROLLED: "{who} enrolled a passkey, fingerprint {fingerprint}.",
    Event.PERSON_PASSKEY_REMOVED: "{who} removed a passkey, fingerprint {fingerprint}.",
    Event.PERSON_SESSION_STARTED: "{who} signed in.",
    Event.PERSON_SESSION_ENDED: "{who} signed out.",
    Event.PERSON_AUDIT_READ: "{who} read {what}.",
    Event.PERSON_AUDIT_EXPORTED: "{who} exported {what}.",
    Event.PERSON_BUNDLE_EXPORTED: "{who} exported the evidence bundle of {what}.",
    Event.PERSON_VIEW_SAVED: "{who} kept a view of the queue as {view}: {query}.",
    Event.PERSON_VIEW_REMOVED: "{who} removed the view {view} of the queue.",
    Event.PERSON_NOTICES_CHOSEN: "{who} chose what to be told, and how.",
    Event.PERSON_SESSIONS_ENDED: "{who} signed out everywhere else.",
    Event.WORKER_PROPOSAL_ASSESSED: "{who} assessed {what} for round {round}.",
    Event.WORKER_PROPOSAL_SEEN_AGAIN: (
        "{who} looked at the target of {what} again and found all as it was. Approvals stay."
    ),
    Event.WORKER_PROPOSAL_REASSESSED: "{who} opened a new round of review of {what}: {reason}.",
    Event.WORKER_PROPOSAL_REJECTED: "{who} verified a signed no: {what} is rejected ({reason}).",
    Event.WORKER_PROPOSAL_RETURNED: "{who} verified a signed no: {what} is returned ({reason}).",
    Event.WORKER_PROPOSAL_SUPERSEDED: "{who} ended {what}, an alternative: {reason}.",
    Event.WORKER_PROPOSAL_EXPIRED: "{what} expired: {reason}.",
    Event.WORKER_PROPOSAL_REFUSED: "{who} refused {what} for good: {reason}.",
    Event.WORKER_PROPOSAL_EXECUTING: "{who} began to execute {what}.",
    Event.WORKER_PROPOSAL_WAITING: "{what} waits between two steps.",
    Event.WORKER_PROPOSAL_SUCCEEDED: "{who} carried out {what}.",
    Event.WORKER_PROPOSAL_FAILED: "{what} failed: {reason}.",
    Event.WORKER_PROPOSAL_STOPPED: "{what} stopped, and what was applied stays: {reason}.",
    Event.WORKER_PROPOSAL_ROLLED_BACK: "{who} rolled {what} back: {reason}.",
    Event.WORKER_PROPOSAL_UNKNOWN: "The outcome of {what} is not known: {reason}.",
    Event.WORKER_STEP_RECORDED: "{who} recorded step {step+1} of {what} as {phase}.",
    Event.WORKER_STEP_TIGHTENED: "{who} tried again what step {step+1} of {what} left open.",
    Event.WORKER_STEP_LATE: "{who} reported step {step+1} of {what} as {phase}, too late.",
    Event.WORKER_WAIT_BEGUN: "{what} waits after step {step+1}, for {within_s} seconds.",
    Event.WORKER_WAIT_LOOKED: "{who} looked what {what} waits for, after step {step+1}.",
    Event.WORKER_WAIT_OVERDUE: (
        "The time of {what} to wait after step {step+1} has passed: {detail}."
    ),
    Event.WORKER_GATE_CLEARED: "The gate cleared step {step+1} of {what} for {who}.",
    Event.WORKER_GATE_REFUSED: "The gate refused {what}: {refusal}.",
    Event.WORKER_REVIEW_REFUSED: "{who} refused a review of {what}: {refusal}.",
    Event.WORKER_HALT_VERIFIED: "{who} verified a signed halt of {what}: it stops there.",
    Event.WORKER_SETTLEMENT_VERIFIED: "{who} verified a signature that settles {what} by hand.",
    Event.WORKER_SETTLEMENT_REFUSED: "{who} refused a settlement of {what}: {refusal}.",
    Event.WORKER_ANSWER_VERIFIED: "{who} verified a signed answer to {what}: {decision}.",
    Event.WORKER_ANSWER_REFUSED: "{who} refused an answer to {what}: {refusal}.",
    Event.WORKER_HALT_REFUSED: "{who} refused a halt of {what}: {refusal}. It goes on.",
    Event.WORKER_INCIDENT_CONTAINED: "{what} is contained: {reason}.",
    Event.WORKER_INCIDENT_LOOKED: "{who} looked at the identity of {what}: {found}.",
    Event.WORKER_LIVE_OBSERVED: "{who} read {identity} for people who look at {what}: {found}.",
    Event.WORKER_SECRET_COMPARED: (
        "{who} compared secrets in the evidence of {what} with the one in force on {identity}:"
        " {in_force}."
    ),
    Event.WORKER_OUTCOME_ASKED: "{who} asked people how {what} turned out.",
    Event.WORKER_INCIDENT_REOPENED: "{what} is open again: {reason}.",
    Event.WORKER_NOTICE_SENT: "{who} sent a notice about {what}: {kind}.",
    Event.WORKER_NOTICE_LOST: (
        "{who} gave up telling people about {what} by {channel}, after {attempts} attempts: {kind}."
    ),
    Event.WORKER_CHANNEL_CHANGED: "{who} read {what} from the operator's file: {state}.",
    Event.WORKER_CHANNEL_FAILED: "{who} cannot send notifications by {what}: {detail}.",
    Event.WORKER_CHANNEL_RECOVERED: "{who} can send notifications by {what} again.",
    Event.OPERATOR_APPROVER_ADDED: (
        "{who} let {what} approve with the key of fingerprint {fingerprint}."
    ),
    Event.OPERATOR_APPROVER_REMOVED: (
        "{who} ended the leave of {what} to approve with the key of fingerprint {fingerprint}."
    ),
    Event.OPERATOR_INVENTORY_CHANGED: "{who} changed the inventory of {what}.",
    Event.OPERATOR_INVENTORY_IMPORTED: (
        "{who} imported {changes#change} into the inventory from {format} files, part {part} of"
        " {parts}."
    ),
    Event.OPERATOR_USER_CREATED: "{who} created the account of {what}.",
    Event.OPERATOR_USER_CHANGED: "{who} changed the account of {what}.",
    Event.OPERATOR_GROUP_CHANGED: "{who} changed {what}.",
    Event.OPERATOR_RIGHT_CHANGED: "{who} changed the right {right} of {holder!} on {what}.",
    Event.OPERATOR_PASSKEYS_REMOVED: "{who} took the password and every passkey from {what}.",
    Event.OPERATOR_INVITATION_MADE: "{who} invited {what} by a one-time code.",
    Event.PERSON_INVITATION_MADE: "{who} invited {what} by a one-time code.",
    Event.OPERATOR_EVIDENCE_EXPORTED: "{who} exported what the gate saw of {what}.",
    Event.OPERATOR_FREEZE_SET: "{who} froze all execution: {reason}.",
    Event.OPERATOR_FREEZE_LIFTED: "{who} lifted the freeze: {reason}.",
    Event.OPERATOR_REQUEST_REFUSED: "The {what} by {who} was refused: {refusal}.",
    Event.OPERATOR_AUDIT_EXPORTED: "{who} exported {what}.",
    Event.OPERATOR_BUNDLE_EXPORTED: "{who} exported the evidence bundle of {what}.",
    Event.OPERATOR_SECRET_ERASED: (
        "{by} and {second} erased {commitments#value} behind commitments of the log: {ground}."
    ),
    Event.OPERATOR_EVIDENCE_ERASED: (
        "{by} and {second} erased the bytes of {erased#artefact} of {what}: {ground}."
    ),
    Event.OPERATOR_LOG_KEY_ROTATED: "{who} announced a new key of the log: {reason}.",
    Event.OPERATOR_LOG_REOPENED: "{who} reopened the log under the name {origin}: {reason}.",
    Event.DATABASE_ACCOUNT_CHANGED: "{who} changed the account of {what}: {operation} in {table}.",
    Event.DATABASE_GROUP_CHANGED: "{who} changed the groups of {what}: {operation} in {table}.",
    Event.DATABASE_RIGHT_CHANGED: "{who} changed the rights of {what}: {operation} in {table}.",
    Event.DATABASE_PASSKEY_CHANGED: "{who} changed a passkey of {what}: {operation} in {table}.",
    Event.SYSTEM_REFUSALS_COUNTED: "Callers who are not known were refused at {what}.",
    Event.SYSTEM_LOG_VERIFIED: "The whole log was verified, {size} entries.",
    Event.SYSTEM_LOG_BROKEN: "The log does NOT hold: {problem}.",
}
_FIELD = re.compile(r"\{([a-z_.]+)([!+#][a-z0-9]*)?\}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def describe(entry: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Return a sentence about an entry ``{v, at, action, actor, object, data}``.

    ``names`` has names for readers who may see them, by reference (``person:<uuid>``); without
    one the beginning of the id is said. Raises nothing for any entry; an unknown action is named
    as it is.
    """
    action = str(entry.get("action", ""))
    known = names or {}
    who = _named(str(entry.get("actor", "")), known)
    what = _named(str(entry.get("object", "")), known)
    try:
        sentence = SENTENCES[Event(action)]
    except ValueError:
        return f"{_upper(who)} recorded {_cut(action) or 'something'} about {what}."
    data = entry.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}

    def fill(match: re.Match[str]) -> str:
        name, how = match[1], match[2] or ""
        if name in ("who", "what"):
            return who if name == "who" else what
        found = _find(fields, name)
        if name.endswith("slot") and isinstance(found, str):
            found = role_of(found).replace("_", " ")
        return _field(found, how, known)

    return _upper(_FIELD.sub(fill, sentence))


def _find(fields: Mapping[str, Any], path: str) -> Any:
    found: Any = fields
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _field(value: Any, how: str, names: Mapping[str, str]) -> str:
    """Format a value: ``+1`` counts from one, ``#word`` counts members, ``!`` is a reference."""
    if how.startswith("#"):
        count = len(value) if isinstance(value, list) else 0
        return f"{count} {how[1:]}{'' if count == 1 else 's'}"
    if how.startswith("+"):
        return str(value + 1) if isinstance(value, int) else "?"
    if value is None or value == "":
        return "not said"
    if how.startswith("!"):
        return _named(str(value), names)
    return _cut(str(value))


def references(entry: Mapping[str, Any]) -> set[str]:
    """Return what the sentence about an entry refers to, as far as it can have a name."""
    data = entry.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    found = {str(entry.get("actor", "")), str(entry.get("object", ""))}
    for name in ("agent", "incident", "owner", "holder"):
        value = str(fields.get(name, ""))
        # Some fields hold the bare id.
        found |= {value, f"{name}:{value}"}
    return {one for one in found if _UUID.search(one)}


def _named(reference: str, names: Mapping[str, str]) -> str:
    """Format ``proposal:<uuid>`` as "proposal 1a2b3c4d", ``worker:x`` as "the worker on x"."""
    if reference in names:
        return _cut(names[reference])
    kind, _, rest = reference.partition(":")
    rest = _UUID.sub(lambda match: match[0][:8], rest)
    if kind == "worker":
        return f"the worker on {_cut(rest)}"
    if kind == "system":
        return "the portal"
    if kind == "database":
        return f"the database login {_cut(rest)}"
    if not rest:
        return _cut(_UUID.sub(lambda match: match[0][:8], reference)) or "somebody"
    return f"{_cut(kind)} {_cut(rest)}".replace("_", " ")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + " […]"


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
