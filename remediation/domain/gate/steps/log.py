"""Step 7: the audit log holds the reviews and the approval."""

from __future__ import annotations

from audit.tlog.canonical import Json, encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import BadProof, QuorumMissing, TlogError
from audit.tlog.merkle import leaf_hash, verify_inclusion
from audit.tlog.witness import advance
from audit.tlog.writers import why_forged
from remediation.domain import b64url
from remediation.domain.errors import AuditUnavailable, BadInclusion, BadInput
from remediation.domain.events import Event
from remediation.domain.gate.case import Case
from remediation.domain.gate.inclusion import LogEvidence, LogTrust, RecordedEntry
from remediation.domain.gate.narrowed import NarrowingEvidence
from remediation.domain.gate.reviewed import ReviewEvidence
from remediation.domain.states import ProposalState
from remediation.domain.strict import parse as parse_json
from remediation.domain.writers import WRITERS

# The maximum length of an entry, and so of its number of keys.
_MAX_ENTRY = 65_535


# (7) Audit inclusion: the log contains the reviews and the approval, and continues the one seen.


def inclusion(case: Case) -> None:
    if case.log is None:
        raise AuditUnavailable("the worker proves it, before it runs anything")
    given = case.evidence.log
    if given is None:
        raise BadInclusion("the evidence holds no proof of the audit log")
    head = _head(case.log, given)
    said = [body for body in (_proven(one, head) for one in given.entries) if _believed(body)]
    for event, recorded in _recorded(case):
        if not any(_records(case, event, recorded, body) for body in said):
            raise BadInclusion(f"the log holds no entry of the review by {recorded.person}")
    if not any(_approves(case, body) for body in said):
        raise BadInclusion("the log holds no entry of this approval")


def _head(trust: LogTrust, given: LogEvidence) -> Checkpoint:
    """Return the head, signed by a trusted key and enough witnesses, that extends the last one."""
    try:
        head = trust.policy.check(given.checkpoint, trust.verify).checkpoint
        advance(trust.seen, head, given.consistency if trust.seen is not None else ())
    except QuorumMissing as error:
        raise AuditUnavailable(error.detail) from None
    except TlogError as error:
        raise BadInclusion(str(error)) from None
    return head


def _proven(entry: RecordedEntry, head: Checkpoint) -> Json:
    """Return an entry, parsed from exactly the bytes that are proven."""
    body = entry.body.encode(errors="surrogatepass")
    try:
        verify_inclusion(
            leaf=leaf_hash(body),
            index=entry.index,
            size=head.size,
            proof=entry.proof,
            root=head.root,
        )
        return parse_json(body, max_bytes=_MAX_ENTRY, max_keys=_MAX_ENTRY)
    except (BadProof, BadInput) as error:
        raise BadInclusion(f"entry {entry.index}: {error}") from None


def _believed(said: Json) -> bool:
    """Return whether the login that wrote the entry may write it; an older one names none."""
    return isinstance(said, dict) and not why_forged(said, WRITERS)


def _recorded(case: Case) -> list[tuple[Event, ReviewEvidence | NarrowingEvidence]]:
    """Return what an approval rests on: the reviews, and a narrowing that counts as one."""
    return [
        *((Event.PERSON_PLAN_NARROWED, one.given) for one in case.counting),
        *((Event.PERSON_REVIEW_SIGNED, review) for review in case.evidence.reviews),
    ]


def _records(
    case: Case, event: Event, review: ReviewEvidence | NarrowingEvidence, said: Json
) -> bool:
    """Return whether this entry records the review: person, proposal, statement, assertion, and
    the key with which outsiders verify it."""
    data = _about(case, said, event)
    credential = b64url.encode(review.assertion.credential_id)
    known = case.approvers.find(review.person, credential)
    if data is None or not isinstance(said, dict) or known is None:
        return False
    return (
        said.get("actor") == f"person:{review.person}"
        and encode(data.get("statement")) == review.statement.encode(errors="surrogatepass")
        and data.get("assertion") == review.assertion.to_json()
        and data.get("cose_key") == b64url.encode(known.key)
    )


def _approves(case: Case, said: Json) -> bool:
    """Return whether this entry records the approval of this round by one of its reviewers."""
    data = _about(case, said, Event.PERSON_PROPOSAL_APPROVED)
    if data is None or not isinstance(said, dict):
        return False
    moved = (data.get("from"), data.get("to"), data.get("round"))
    return (
        moved == (ProposalState.IN_REVIEW, ProposalState.APPROVED, case.evidence.round)
        and type(data.get("round")) is int
        and said.get("actor") in [f"person:{review.person}" for review in case.evidence.reviews]
    )


def _about(case: Case, said: Json, event: Event) -> dict[str, Json] | None:
    """Return the data of an entry of this event about this proposal; None for any other."""
    if not isinstance(said, dict) or said.get("action") != event:
        return None
    data = said.get("data")
    if said.get("object") != f"proposal:{case.evidence.proposal_id}" or not isinstance(data, dict):
        return None
    return data
