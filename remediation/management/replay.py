"""What evidence and bundles hold for somebody who brings his own trust: signatures and the gate.

Runs without Django, settings and database; `remediation.management.offline` is its command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.tlog import bundle
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Mismatch
from audit.tlog.incident import Documents, Entry, find
from audit.tlog.policy import Policy
from remediation.domain import b64url, gate
from remediation.domain.approvers import Approvers
from remediation.domain.errors import BadInput, ReviewRefused, SignatureInvalid
from remediation.domain.events import Event
from remediation.domain.evidence import Evidence
from remediation.domain.gate_steps import MAX_SKEW
from remediation.domain.inclusion import LogTrust
from remediation.domain.signature import Assertion
from remediation.domain.signature import verify as verify_assertion
from remediation.domain.statement import Decision, Statement

# What the worker ends a proposal with rests on one verified review that says so.
_ENDED: Mapping[str, str] = {
    Event.WORKER_PROPOSAL_REJECTED: Decision.REJECT,
    Event.WORKER_PROPOSAL_RETURNED: Decision.RETURN,
}


@dataclass(frozen=True)
class Trust:
    """What the caller says to believe; nothing of it ever comes from the file."""

    approvers: Approvers
    policy: Policy
    rp_id: str
    origin: str
    seen: Checkpoint | None = None
    allow_test: bool = False


@dataclass(frozen=True)
class Replay:
    """One run of the gate, and what each step found."""

    given: Evidence
    findings: tuple[gate.Finding, ...]

    @property
    def holds(self) -> bool:
        return all(finding.result for finding in self.findings)


@dataclass(frozen=True)
class Signed:
    """A review that is on record: what it says, and what is wrong with its signature, if anything.

    ``proposal`` is the one that its entry is about.
    """

    index: int
    proposal: str
    said: str
    decision: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Whole:
    """What a bundle was found to hold: who signed what, and each run of the gate."""

    bundle: bundle.Verified
    reviews: tuple[Signed, ...]
    replays: tuple[Replay, ...]
    # Decisions of the worker that no verified review carries.
    unfounded: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Somebody may have put on record a review that does not verify: it is told, and it must
        have had no effect. What an approval led to, the gate's replay says."""
        return not self.unfounded and all(replay.holds for replay in self.replays)


def check_evidence(given: Evidence, trust: Trust) -> Replay:
    findings = gate.examine(
        given,
        approvers=trust.approvers,
        now=given.database_now,
        log=LogTrust(trust.policy),
        rp_id=trust.rp_id,
        origin=trust.origin,
        allow_test=trust.allow_test,
    )
    return Replay(given, findings)


def check_bundle(raw: bytes, trust: Trust) -> Whole:
    """Check the bundle, then what needs more than the standard library. Raises TlogError."""
    found = bundle.verify(raw, trust.policy, seen=trust.seen)
    reviews = tuple(
        _signed(entry, trust)
        for entry in found.entries
        if entry.action == Event.PERSON_REVIEW_SIGNED
    )
    replays = tuple(
        check_evidence(_gate_evidence(entry, found.documents), trust)
        for entry in found.entries
        if entry.action == Event.WORKER_GATE_CLEARED
    )
    return Whole(found, reviews, replays, tuple(_unfounded(found.entries, reviews)))


def _gate_evidence(entry: Entry, documents: Documents) -> Evidence:
    body = documents["", str(find(entry.said, "data.evidence"))] or b""
    try:
        given = Evidence.parse(body)
    except BadInput as error:
        raise Mismatch(f"what the gate saw at entry {entry.index}: {error}") from None
    if entry.object != f"proposal:{given.proposal_id}":
        raise Mismatch(f"what the gate saw at entry {entry.index} is of another proposal")
    return given


def _unfounded(entries: Sequence[Entry], reviews: Sequence[Signed]) -> Iterator[str]:
    verified = {(one.proposal, one.decision) for one in reviews if not one.problem}
    for entry in entries:
        decision = _ENDED.get(entry.action)
        if decision is not None and (entry.object, decision) not in verified:
            yield f"entry {entry.index}, {entry.action}: no verified review says {decision}"


def _signed(entry: Entry, trust: Trust) -> Signed:
    """Verify one signed review by the approvers file as it stood when it was recorded."""
    data = entry.said.get("data")
    try:
        statement = Statement.parse(encode(find(data, "statement")))
        assertion = Assertion.from_json(find(data, "assertion"))
        at = datetime.fromisoformat(str(entry.said.get("at")))
    except (BadInput, ValueError) as error:
        return Signed(entry.index, entry.object, "a review", problem=f"cannot be read: {error}")
    said = f"{statement.decision} by {statement.person} as {statement.slot}"
    said = f"{said}, round {statement.round}"
    problem = _about(entry, statement, at) or _by_key(statement, assertion, at, trust)
    return Signed(entry.index, entry.object, said, statement.decision, problem)


def _about(entry: Entry, statement: Statement, at: datetime) -> str:
    """Why this statement has no place in its entry; "" when it has."""
    if entry.said.get("actor") != f"person:{statement.person}":
        return "the entry is by somebody else"
    if entry.object != f"proposal:{statement.proposal}":
        return "the entry is about another proposal"
    # The entry bears the web's clock, the statement the database's.
    if at.tzinfo is None or at - statement.expires > MAX_SKEW:
        return "the statement had expired when it was recorded"
    try:
        statement.check_consistent()
    except ReviewRefused as error:
        return str(error)
    return ""


def _by_key(
    statement: Statement,
    assertion: Assertion,
    at: datetime,
    trust: Trust,
) -> str:
    """Why this is no approver's signature; "" when it is one."""
    known = trust.approvers.find(statement.person, b64url.encode(assertion.credential_id))
    if known is None:
        return "the approvers file does not hold this key"
    if not known.valid(at) or not known.may_fill(statement.slot):
        return "the approvers file did not give this key the role at that time"
    trusted = (trust.rp_id, trust.origin)
    if not (known.rp_id, known.origin) == (statement.rp_id, statement.origin) == trusted:
        return "signed for another relying party or origin"
    try:
        verify_assertion(
            assertion,
            challenge=statement.challenge(),
            cose_key=known.key,
            rp_id=known.rp_id,
            origin=known.origin,
        )
    except SignatureInvalid as error:
        return error.detail or error.message
    return ""
