"""Verify a signed statement about a run; the worker does so before it takes effect.

An invalid statement stops nothing, undoes nothing and settles nothing. That is the safe direction:
several people signed the plan, and the gate clears it again before each step. Undoing gives back
access that a containment has just removed, and settling ends the search for an outcome. So an
attacker with only the web process's database password, or a stolen session, must gain nothing by
writing a statement. A refused statement is recorded and the lead is notified at once; others can
still halt, and an operator can freeze execution.

The row's guard verifies, at the moment of the statement, that the account is active and has the
role. Nothing here requires the statement to be in the audit log: like a rollback, it must not wait
for the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from remediation.domain import b64url
from remediation.domain.errors import (
    BadInput,
    Digest,
    SeparationOfDuties,
    Signature,
    SignatureInvalid,
    UnknownApproverKey,
)
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.gate.signature import Assertion, verify
from remediation.domain.halt.statement import HaltStatement, signed_steps
from remediation.domain.plan import Plan


@dataclass(frozen=True)
class SignedHalt:
    """A recorded statement about a run."""

    person: str
    decision: str
    reason: str
    statement: bytes
    assertion: Assertion
    recorded_at: datetime


@dataclass(frozen=True)
class HaltedRun:
    """The run, the slots of its ruling, and the people who may not decide about it."""

    proposal: str
    round: int
    plan: Plan
    slots: Collection[str]
    excluded: Mapping[str, Sequence[str]]


def verify_halt(
    halt: SignedHalt, run: HaltedRun, *, approvers: Approvers, now: datetime
) -> HaltStatement:
    """Verify one statement with the entries of the approvers file valid at its time and now.

    Raises Signature, Digest, UnknownApproverKey or SeparationOfDuties, also for malformed input.
    """
    statement = _read(halt)
    _check_about(statement, halt, run)
    entry = _approver(halt, run, approvers, now)
    if (statement.rp_id, statement.origin) != (entry.rp_id, entry.origin):
        raise Signature(f"{halt.person}: signed for another relying party or origin")
    try:
        verify(
            halt.assertion,
            challenge=statement.challenge(),
            cose_key=entry.key,
            rp_id=entry.rp_id,
            origin=entry.origin,
        )
    except SignatureInvalid as error:
        raise Signature(f"{halt.person}: {error.detail}") from None
    if halt.person in run.excluded:
        raise SeparationOfDuties(f"{halt.person}: {'; '.join(run.excluded[halt.person])}")
    return statement


def _read(halt: SignedHalt) -> HaltStatement:
    try:
        return HaltStatement.parse(halt.statement)
    except BadInput as error:
        raise Signature(f"{halt.person}: the statement cannot be read: {error}") from None


def _check_about(statement: HaltStatement, halt: SignedHalt, run: HaltedRun) -> None:
    signed = (statement.proposal, statement.round, statement.person)
    recorded = (run.proposal, run.round, halt.person)
    if signed != recorded:
        raise Signature(f"{halt.person}: the statement is about {signed}, not {recorded}")
    if statement.decision != halt.decision:
        raise Signature(f"{halt.person}: another decision was signed")
    if statement.reason != halt.reason:
        raise Signature(f"{halt.person}: another reason was signed")
    if statement.expires < halt.recorded_at:
        raise Signature(f"{halt.person}: the statement had expired when it was recorded")
    steps = signed_steps(statement.decision, run.plan)
    if statement.plan != run.plan.digest or statement.takes_back != steps:
        raise Digest(f"{halt.person} signed to take back something else than this plan's steps")


def _approver(halt: SignedHalt, run: HaltedRun, approvers: Approvers, now: datetime) -> Approver:
    credential = b64url.encode(halt.assertion.credential_id)
    entry = approvers.find(halt.person, credential)
    if entry is None or not (entry.valid(halt.recorded_at) and entry.valid(now)):
        raise UnknownApproverKey(f"{halt.person} with credential {credential[:24]}")
    if not entry.may_halt(run.slots):
        raise UnknownApproverKey(f"{halt.person} is not in the file for halting this")
    return entry
