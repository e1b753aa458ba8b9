"""The seven numbered steps of the gate. Each takes the case and raises, or returns nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from audit.tlog.canonical import Json, encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import BadProof, QuorumMissing, TlogError
from audit.tlog.merkle import leaf_hash, verify_inclusion
from audit.tlog.witness import advance
from remediation.domain import b64url, policy
from remediation.domain.errors import (
    AuditUnavailable,
    BadInclusion,
    BadInput,
    ClockSkew,
    Deadline,
    Digest,
    Drift,
    Frozen,
    GateAgentDisabled,
    GateProposerLost,
    Quorum,
    ReviewerLost,
    ReviewRefused,
    RulingTightened,
    SeparationOfDuties,
    Signature,
    SignatureInvalid,
    TargetGone,
    TargetUnobservable,
    UnknownApproverKey,
)
from remediation.domain.events import Event
from remediation.domain.gate import quorum
from remediation.domain.gate.approvers import Approver
from remediation.domain.gate.case import Case
from remediation.domain.gate.evidence import ReviewEvidence
from remediation.domain.gate.inclusion import LogEvidence, LogTrust, RecordedEntry
from remediation.domain.gate.quorum import Resolution
from remediation.domain.gate.signature import verify as verify_assertion
from remediation.domain.observation import Pinned
from remediation.domain.ruling import KEY_ROLES
from remediation.domain.statement import Statement
from remediation.domain.states import ProposalState
from remediation.domain.strict import parse as parse_json

# Two hosts that keep time by NTP differ by milliseconds; beyond this, deadlines mean nothing.
MAX_SKEW = timedelta(seconds=2)
# An entry of the log is at most this long, and so has no more keys than that.
_MAX_ENTRY = 65_535


# (1) Digests: what was signed is what would run, byte by byte, under today's catalogue.


def digests(case: Case) -> None:
    what_was_signed(case)
    _leads_back(case)


def what_was_signed(case: Case) -> None:
    _read_bodies(case)
    if case.evidence.applied != tuple(range(len(case.evidence.applied))):
        raise Digest("the applied steps are not the first ones of the plan")
    _ = case.step
    for statement in case.statements:
        if statement.digests != case.digests:
            raise Digest(f"{statement.person} signed other digests than those of this evidence")


def _leads_back(case: Case) -> None:
    """What is called the undoing of a run undoes exactly that, or it is none."""
    reversal = case.evidence.reversal
    if reversal is not None and reversal.plan != case.plan.digest:
        raise Digest(f"the plan is not the one that leads back from {reversal.of}")


def _read_bodies(case: Case) -> None:
    _ = (case.diagnosis, case.scope, case.checks, case.ruling)
    locators = tuple(target.locator for target in case.plan.targets)
    if tuple(entry.locator for entry in case.pinned) != locators:
        raise Digest("the pin does not hold the plan's targets in their order")


# (2) Ruling: policy is applied again, to the facts of then and of now together; it only tightens.


def ruling(case: Case) -> None:
    ruling_has_slots(case)
    then = policy.facts(case.plan, case.scope, case.checks, {})
    asked = policy.evaluate(then.strictest(case.evidence.facts))
    more = policy.tightened(case.ruling, asked)
    if more is not None:
        raise RulingTightened(more)


def ruling_has_slots(case: Case) -> None:
    if not case.ruling.slots:
        raise Digest("a ruling without slots approves nothing")


# (3) Signatures: each review by a key of the approvers file, over exactly its statement.


def signatures(case: Case) -> None:
    nonces: set[str] = set()
    for review, statement in zip(case.evidence.reviews, case.statements, strict=True):
        signature(case, review, statement, (review.recorded_at, case.now))
        if statement.nonce in nonces:
            raise Signature("two reviews carry one nonce")
        nonces.add(statement.nonce)


def signature(
    case: Case, review: ReviewEvidence, statement: Statement, instants: tuple[datetime, ...]
) -> None:
    """Check one review, by the approvers file as it stood at each of the instants."""
    _check_belongs(case, review, statement)
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


def _check_belongs(case: Case, review: ReviewEvidence, statement: Statement) -> None:
    signed = (statement.proposal, statement.round, statement.person, statement.slot)
    recorded = (case.evidence.proposal_id, case.evidence.round, review.person, review.slot)
    if signed != recorded:
        raise Signature(f"{review.person}: the statement is about {signed}, not {recorded}")
    if statement.expires < review.recorded_at:
        raise Signature(f"{review.person}: the statement had expired when it was recorded")
    try:
        statement.check_consistent()
    except ReviewRefused as error:
        raise Signature(f"{review.person}: {error}") from None


def _approver(case: Case, review: ReviewEvidence, instants: tuple[datetime, ...]) -> Approver:
    credential = b64url.encode(review.assertion.credential_id)
    entry = case.approvers.find(review.person, credential)
    if entry is None or not all(entry.valid(instant) for instant in instants):
        raise UnknownApproverKey(f"{review.person} with credential {credential[:24]}")
    if not entry.may_fill(review.slot):
        raise UnknownApproverKey(f"{review.person} is not in the file for {review.slot}")
    return entry


def _check_place(case: Case, statement: Statement, entry: Approver) -> None:
    """Statement, approvers file and (if given) the caller agree on relying party and origin."""
    if (statement.rp_id, statement.origin) != (entry.rp_id, entry.origin):
        raise Signature(f"{statement.person}: signed for another relying party or origin")
    if case.rp_id not in (None, entry.rp_id) or case.origin not in (None, entry.origin):
        raise UnknownApproverKey(f"{statement.person}: the key is for {entry.origin}")


# (4) Quorum and separation of duties: distinct people, none of whom took part.


def quorum_and_separation(case: Case) -> None:
    excluded = {entry.person: entry.why for entry in case.evidence.excluded}
    for review in case.counted:
        if review.person in excluded:
            raise SeparationOfDuties(f"{review.person}: {excluded[review.person]}")
        if review.person == case.evidence.agent.id:
            raise SeparationOfDuties(f"{review.person} is the agent")
        reversal = case.evidence.reversal
        if reversal is not None and review.person == reversal.proposer.person:
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


# (5) Freshness: in time, by people who still stand, for a proposer who does, and not frozen.


def freshness(case: Case) -> None:
    given = case.evidence
    # The clock first: without it no deadline means anything.
    if max(abs(given.database_now - given.worker_now), abs(case.now - given.worker_now)) > MAX_SKEW:
        raise ClockSkew()
    if given.approved_at > case.now + MAX_SKEW:
        raise ClockSkew("the approval lies in the future")
    _deadlines(case)
    _proposer(case)
    _reviewers(case)
    if given.frozen:
        raise Frozen(given.frozen)


def _deadlines(case: Case) -> None:
    approved_at = case.evidence.approved_at
    if approved_at > case.ruling.decide_by:
        raise Deadline("it was approved after the decision was due")
    if case.now >= approved_at + timedelta(seconds=case.ruling.run_within_s):
        raise Deadline("the time to run it has passed")


def _proposer(case: Case) -> None:
    """Who proposed it stands: the agent, or the person who proposes to undo what one did. The
    agent of what is undone is not asked: its suspension must not keep its work in force."""
    reversal = case.evidence.reversal
    if reversal is None:
        if not case.evidence.agent.enabled:
            raise GateAgentDisabled(case.evidence.agent.id)
        return
    person = reversal.proposer
    if not person.active or not set(person.roles) & set(KEY_ROLES):
        raise GateProposerLost(person.person)


def _reviewers(case: Case) -> None:
    people = {person.person: person for person in case.evidence.people}
    for review in case.counted:
        person = people.get(review.person)
        if person is None or not person.active:
            raise ReviewerLost(f"{review.person} is not active")
        held = set(person.roles) & set(policy.ROLES)
        if not held or (review.slot != policy.ANY and review.slot not in held):
            raise ReviewerLost(f"{review.person} does not hold the role for {review.slot}")


# (6) Drift: the target is as it was pinned.


def drift(case: Case) -> None:
    given = case.evidence
    if given.applied != tuple(range(given.step)):
        raise Digest("the steps before this one are not the applied ones")
    _target_unchanged(case, case.step.index)
    # The targets still to come, as far as they were looked at: better to stop before the first.
    looked_at = {o.locator for o in given.observations} | {u.locator for u in given.unobservable}
    for step in case.plan.steps[given.step + 1 :]:
        if step.target.locator in looked_at:
            _target_unchanged(case, step.index)


def _target_unchanged(case: Case, index: int) -> None:
    pinned = case.pinned[index]
    for failed in case.evidence.unobservable:
        if failed.locator == pinned.locator:
            raise TargetUnobservable(f"{failed.locator}: {failed.why}")
    seen = [entry for entry in case.evidence.observations if entry.locator == pinned.locator]
    if not seen:
        raise TargetUnobservable(f"{pinned.locator} was not observed")
    for entry in seen:
        if not entry.exists or not pinned.exists:
            raise TargetGone(pinned.locator)
        if not entry.same_as(pinned):
            raise Drift(f"{pinned.locator}: {_changes(pinned, entry)}")


def _changes(old: Pinned, new: Pinned) -> str:
    names = sorted(set(old.state) | set(new.state))
    return ", ".join(
        f"{name} was {old.state.get(name)}, is {new.state.get(name)}"
        for name in names
        if old.state.get(name) != new.state.get(name)
        or type(old.state.get(name)) is not type(new.state.get(name))
    )


# (7) Audit inclusion: what is relied on is in the log, and the log is the one that it was.


def inclusion(case: Case) -> None:
    if case.log is None:
        raise AuditUnavailable("the worker proves it, before it runs anything")
    given = case.evidence.log
    if given is None:
        raise BadInclusion("the evidence holds no proof of the audit log")
    head = _head(case.log, given)
    said = [_proven(entry, head) for entry in given.entries]
    for review in case.evidence.reviews:
        if not any(_records(case, review, body) for body in said):
            raise BadInclusion(f"the log holds no entry of the review by {review.person}")
    if not any(_approves(case, body) for body in said):
        raise BadInclusion("the log holds no entry of this approval")


def _head(trust: LogTrust, given: LogEvidence) -> Checkpoint:
    """The signed head, by a pinned key and enough witnesses, that goes on from the one seen."""
    try:
        head = trust.policy.check(given.checkpoint, trust.verify).checkpoint
        advance(trust.seen, head, given.consistency if trust.seen is not None else ())
    except QuorumMissing as error:
        raise AuditUnavailable(error.detail) from None
    except TlogError as error:
        raise BadInclusion(str(error)) from None
    return head


def _proven(entry: RecordedEntry, head: Checkpoint) -> Json:
    """What an entry says, out of the very bytes that are proven."""
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


def _records(case: Case, review: ReviewEvidence, said: Json) -> bool:
    """Whether this entry is that of the review: the same person, proposal, statement, assertion,
    and the key by which outsiders who read the record verify it."""
    data = _about(case, said, Event.PERSON_REVIEW_SIGNED)
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
    """Whether this entry is that of the approval of this round, by one of its reviewers."""
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
    """The data of an entry of this kind about this proposal; None for any other."""
    if not isinstance(said, dict) or said.get("action") != event:
        return None
    data = said.get("data")
    if said.get("object") != f"proposal:{case.evidence.proposal_id}" or not isinstance(data, dict):
        return None
    return data
