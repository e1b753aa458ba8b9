"""Steps 3 and 4: signatures by keys of the approvers file, of enough people who may decide."""

from __future__ import annotations

from datetime import datetime

from remediation.domain import b64url
from remediation.domain.errors import (
    Quorum,
    ReviewRefused,
    SeparationOfDuties,
    Signature,
    SignatureInvalid,
    UnknownApproverKey,
)
from remediation.domain.gate import quorum
from remediation.domain.gate.approvers import Approver
from remediation.domain.gate.case import Case
from remediation.domain.gate.narrowed import NarrowingEvidence
from remediation.domain.gate.quorum import Resolution
from remediation.domain.gate.reviewed import ReviewEvidence
from remediation.domain.gate.signature import verify as verify_assertion
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.statement import LIFE, Statement

Recorded = ReviewEvidence | NarrowingEvidence
Signed = Statement | NarrowingStatement

# (3) Signatures: a key of the approvers file signed exactly the statement of each review.


def signatures(case: Case) -> None:
    nonces = {one.statement.nonce for one in case.narrowings}
    if len(nonces) < len(case.narrowings):
        raise Signature("two narrowings carry one nonce")
    for review, statement in zip(case.evidence.reviews, case.statements, strict=True):
        signature(case, review, statement, (review.recorded_at, case.now))
        if review.recorded_at > case.evidence.approved_at:
            raise Signature(f"{review.person}: recorded after the approval that rests on it")
        if statement.nonce in nonces:
            raise Signature("two reviews carry one nonce")
        nonces.add(statement.nonce)


def signature(
    case: Case, review: ReviewEvidence, statement: Statement, instants: tuple[datetime, ...]
) -> None:
    """Verify one review with the entries of the approvers file that are valid at each instant."""
    signed = (statement.proposal, statement.round, statement.person, statement.slot)
    recorded = (case.evidence.proposal_id, case.evidence.round, review.person, review.slot)
    if signed != recorded:
        raise Signature(f"{review.person}: the statement is about {signed}, not {recorded}")
    assertion(case, review, statement, instants)


def assertion(
    case: Case, review: Recorded, statement: Signed, instants: tuple[datetime, ...]
) -> None:
    """Verify the passkey's answer to a statement that belongs to what is recorded."""
    _check_time(review, statement)
    entry = _approver(case, review, instants)
    _check_place(case, statement, entry)
    try:
        verify_assertion(
            review.assertion,
            challenge=statement.challenge(),
            cose_key=entry.key,
            rp_id=entry.rp_id,
            origin=entry.origin,
        )
    except SignatureInvalid as error:
        raise Signature(f"{review.person}: {error.detail}") from None


def _check_time(review: Recorded, statement: Signed) -> None:
    if statement.expires < review.recorded_at:
        raise Signature(f"{review.person}: the statement had expired when it was recorded")
    # Nobody signs the time of recording, and keys are judged by it: the signed end bounds it.
    if statement.expires - review.recorded_at > LIFE:
        raise Signature(f"{review.person}: recorded before the statement could be signed")
    try:
        statement.check_consistent()
    except ReviewRefused as error:
        raise Signature(f"{review.person}: {error}") from None


def _approver(case: Case, review: Recorded, instants: tuple[datetime, ...]) -> Approver:
    credential = b64url.encode(review.assertion.credential_id)
    entry = case.approvers.find(review.person, credential)
    if entry is None or not all(entry.valid(instant) for instant in instants):
        raise UnknownApproverKey(f"{review.person} with credential {credential[:24]}")
    if not entry.may_fill(review.slot):
        raise UnknownApproverKey(f"{review.person} is not in the file for {review.slot}")
    return entry


def _check_place(case: Case, statement: Signed, entry: Approver) -> None:
    """Require the relying party and origin of the approvers file and, if given, the caller."""
    if (statement.rp_id, statement.origin) != (entry.rp_id, entry.origin):
        raise Signature(f"{statement.person}: signed for another relying party or origin")
    if case.rp_id not in (None, entry.rp_id) or case.origin not in (None, entry.origin):
        raise UnknownApproverKey(f"{statement.person}: the key is for {entry.origin}")


# (4) Quorum and separation of duties: enough different people, and none of them took part.


def quorum_and_separation(case: Case) -> None:
    for review in case.counted:
        if reasons := case.evidence.why_excluded(review.person):
            raise SeparationOfDuties(f"{review.person}: {'; '.join(reasons)}")
        if review.person == case.evidence.agent.id:
            raise SeparationOfDuties(f"{review.person} is the agent")
        proposer = case.evidence.proposer
        if proposer is not None and review.person == proposer.person:
            raise SeparationOfDuties(f"{review.person} proposed it")
    counted(case)


def counted(case: Case) -> None:
    repeated = quorum.repeated_people(case.counted)
    if repeated:
        raise SeparationOfDuties(f"{', '.join(repeated)} reviewed more than once")
    found = quorum.resolve(
        case.ruling.slots, case.counted, number=case.evidence.round, digests=case.digests
    )
    if found is not Resolution.APPROVED:
        raise Quorum(f"the round is {found or 'still open'}")
