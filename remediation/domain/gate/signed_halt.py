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

To go on after a wait lets the next step run, so the gate verifies that statement with the same
function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.tlog.canonical import Json
from remediation.domain import b64url, instant
from remediation.domain.conditions import Sighting
from remediation.domain.errors import (
    BadInput,
    Digest,
    SeparationOfDuties,
    Signature,
    SignatureInvalid,
    UnknownApproverKey,
)
from remediation.domain.fields import Fields
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.gate.signature import Assertion, verify
from remediation.domain.halt.statement import (
    MAX_BYTES,
    MAX_REASON,
    HaltStatement,
    RunDecision,
    seen_digest,
    signed_steps,
)
from remediation.domain.plan import Plan
from remediation.domain.waits import MOST_CONDITIONS

# How old what a person saw may be when the answer is recorded: an unchanged look is recorded every
# ten minutes, and five are for the signature.
MOST_SEEN_AGE = timedelta(minutes=20)


@dataclass(frozen=True)
class SignedHalt:
    """A recorded statement about a run.

    `sightings` and `record`: what the page of a waiting run showed, for an answer to a wait.
    """

    person: str
    decision: str
    reason: str
    statement: bytes
    assertion: Assertion
    recorded_at: datetime
    sightings: tuple[Sighting, ...] = ()
    record: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {
            "person": self.person,
            "decision": self.decision,
            "reason": self.reason,
            "statement": self.statement.decode(errors="surrogatepass"),
            "assertion": self.assertion.to_json(),
            "recorded_at": instant.dump(self.recorded_at),
            "sightings": [one.to_json() for one in self.sightings],
            "record": dict(self.record),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> SignedHalt:
        source = Fields(
            value,
            at,
            required=(
                "person", "decision", "reason", "statement", "assertion", "recorded_at",
                "sightings", "record",
            ),
        )  # fmt: skip
        return cls(
            person=source.text("person", 100, least=1),
            decision=source.one_of("decision", tuple(RunDecision)),
            reason=source.text("reason", MAX_REASON),
            # A lone surrogate becomes bytes that no parser here accepts.
            statement=source.text("statement", MAX_BYTES).encode(errors="surrogatepass"),
            assertion=Assertion.from_json(source.value("assertion"), source.at("assertion")),
            recorded_at=source.instant("recorded_at"),
            sightings=source.array("sightings", Sighting.from_json, most=MOST_CONDITIONS),
            record=source.mapping("record"),
        )


@dataclass(frozen=True)
class HaltedRun:
    """The run, the slots of its ruling, and the people who may not decide about it.

    `waiting`: the step after which it waits, and the names of the wait's conditions.
    """

    proposal: str
    round: int
    plan: Plan
    slots: Collection[str]
    excluded: Mapping[str, Sequence[str]]
    waiting: int | None = None
    conditions: Collection[str] = ()


def verify_halt(
    halt: SignedHalt, run: HaltedRun, *, approvers: Approvers, now: datetime
) -> HaltStatement:
    """Verify one statement with the entries of the approvers file valid at its time and now.

    Raises Signature, Digest, UnknownApproverKey or SeparationOfDuties, also for malformed input.
    """
    statement = verify_signed(halt, run, approvers=approvers, now=now)
    check_answer(statement, halt, run)
    refuse_excluded(halt, run)
    return statement


def verify_signed(
    halt: SignedHalt, run: HaltedRun, *, approvers: Approvers, now: datetime
) -> HaltStatement:
    """Verify that an approver of the file signed this about the run.

    Not yet what an answer says of its wait, so that the wait is searched for no forgery. Raises
    Signature, Digest or UnknownApproverKey.
    """
    statement = read_about(halt, run)
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
    return statement


def refuse_excluded(halt: SignedHalt, run: HaltedRun) -> None:
    """Raises SeparationOfDuties."""
    if halt.person in run.excluded:
        raise SeparationOfDuties(f"{halt.person}: {'; '.join(run.excluded[halt.person])}")


def read_about(halt: SignedHalt, run: HaltedRun) -> HaltStatement:
    """Return what the statement says, unverified, if it is about this run.

    Raises Signature or Digest.
    """
    try:
        statement = HaltStatement.parse(halt.statement)
    except BadInput as error:
        raise Signature(f"{halt.person}: the statement cannot be read: {error}") from None
    _check_about(statement, halt, run)
    return statement


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


def check_answer(statement: HaltStatement, halt: SignedHalt, run: HaltedRun) -> None:
    """Refuse an answer to another wait, or to another page than is recorded, or to an old one.

    Raises Signature or Digest. Of a statement that is no answer there is nothing to check.
    """
    if not statement.decision.waits:
        return
    if run.waiting is None or statement.step != run.waiting:
        raise Signature(f"{halt.person}: the run does not wait after step {statement.step + 1}")
    if statement.seen != seen_digest(halt.sightings, halt.record):
        raise Digest(f"{halt.person} was shown something else than what is recorded")
    if not set(statement.unmet) <= set(run.conditions):
        raise Digest(f"{halt.person} names a condition that the wait does not have")
    for sighting in halt.sightings:
        if halt.recorded_at - sighting.at > MOST_SEEN_AGE:
            raise Signature(f"{halt.person} was shown a look of {instant.dump(sighting.at)}")


def _approver(halt: SignedHalt, run: HaltedRun, approvers: Approvers, now: datetime) -> Approver:
    credential = b64url.encode(halt.assertion.credential_id)
    entry = approvers.find(halt.person, credential)
    if entry is None or not (entry.valid(halt.recorded_at) and entry.valid(now)):
        raise UnknownApproverKey(f"{halt.person} with credential {credential[:24]}")
    if not may_sign(entry, RunDecision(halt.decision), run.slots):
        verb = "deciding" if halt.decision == RunDecision.GO_ON else "halting"
        raise UnknownApproverKey(f"{halt.person} is not in the file for {verb} this")
    return entry


def may_sign(entry: Approver, decision: RunDecision, slots: Collection[str]) -> bool:
    """Return whether the file lets this key decide so about a run that these slots approved."""
    if decision is RunDecision.GO_ON:
        # It takes the place of an approval, so a lead's key is not enough.
        return any(entry.may_fill(slot) for slot in slots)
    return entry.may_halt(slots)
