"""Verify recorded signatures of reviews and halts, from their entries alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.incident import Entry, find
from audit.tlog.policy import Policy
from remediation.domain import b64url
from remediation.domain.errors import BadInput, ReviewRefused, SignatureInvalid
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.gate.signature import Assertion
from remediation.domain.gate.signature import verify as verify_assertion
from remediation.domain.gate.signed_halt import may_sign
from remediation.domain.gate.steps import MAX_SKEW
from remediation.domain.halt.statement import HaltStatement, signed_steps
from remediation.domain.plan import Plan
from remediation.domain.statement import LIFE, Statement


@dataclass(frozen=True)
class Trust:
    """What the caller trusts; none of it comes from the file."""

    approvers: Approvers
    policy: Policy
    rp_id: str
    origin: str
    seen: Checkpoint | None = None
    allow_test: bool = False


@dataclass(frozen=True)
class Signed:
    """A recorded decision. ``problem`` says why its signature is invalid ("" if valid).

    ``proposal`` is the object of its entry, ``said`` describes the decision.
    """

    index: int
    proposal: str
    said: str
    decision: str = ""
    problem: str = ""
    person: str = ""


def signed_review(entry: Entry, trust: Trust) -> Signed:
    """Verify one signed review with the approvers file as of the time of its entry."""
    data = entry.said.get("data")
    try:
        statement = Statement.parse(encode(find(data, "statement")))
        assertion, at = _assertion(data), _instant(entry)
    except (BadInput, ValueError) as error:
        return Signed(entry.index, entry.object, "a review", problem=f"cannot be read: {error}")
    said = f"{statement.decision} by {statement.person} as {statement.slot}"
    problem = (
        _about(entry, statement, at)
        or _consistent(statement)
        or _by_key(statement, assertion, at, trust, lambda known: known.may_fill(statement.slot))
    )
    return Signed(
        entry.index,
        entry.object,
        f"{said}, round {statement.round}",
        statement.decision,
        problem,
        statement.person,
    )


def signed_halt(entry: Entry, trust: Trust, *, plan: Plan | None, slots: tuple[str, ...]) -> Signed:
    """Verify one signed halt, settlement, or answer to a wait.

    ``plan`` and ``slots`` belong to the halted run, taken from the rest of the bundle; without them
    the halt is invalid.
    """
    data = entry.said.get("data")
    try:
        statement = HaltStatement.parse(encode(find(data, "statement")))
        assertion, at = _assertion(data), _instant(entry)
    except (BadInput, ValueError) as error:
        return Signed(entry.index, entry.object, "a halt", problem=f"cannot be read: {error}")
    problem = (
        _about(entry, statement, at)
        or _of_plan(statement, plan)
        or _by_key(
            statement,
            assertion,
            at,
            trust,
            lambda known: may_sign(known, statement.decision, slots),
        )
    )
    decision = statement.decision
    kind = "halt" if decision.halts else "answer" if decision.waits else "settlement"
    asked = "" if decision == "halt" else f" ({decision})"
    said = f"{kind}{asked} by {statement.person}, round {statement.round}"
    return Signed(entry.index, entry.object, said, decision.value, problem, statement.person)


def _assertion(data: Any) -> Assertion:
    return Assertion.from_json(find(data, "assertion"))


def _instant(entry: Entry) -> datetime:
    return datetime.fromisoformat(str(entry.said.get("at")))


def _about(entry: Entry, statement: Statement | HaltStatement, at: datetime) -> str:
    """Return why the statement does not match its entry; "" if it matches."""
    if entry.said.get("actor") != f"person:{statement.person}":
        return "the entry is by somebody else"
    if entry.object != f"proposal:{statement.proposal}":
        return "the entry is about another proposal"
    # The entry has the web's time, the statement the database's.
    if at.tzinfo is None or at - statement.expires > MAX_SKEW:
        return "the statement had expired when it was recorded"
    if statement.expires - at > LIFE + MAX_SKEW:
        return "it was recorded before the statement could be signed"
    return ""


def _consistent(statement: Statement) -> str:
    try:
        statement.check_consistent()
    except ReviewRefused as error:
        return str(error)
    return ""


def _of_plan(statement: HaltStatement, plan: Plan | None) -> str:
    if plan is None or statement.plan != plan.digest:
        return "the plan of the run is not the one that was signed"
    if statement.takes_back != signed_steps(statement.decision, plan):
        return "it undoes other steps than those of the plan"
    return ""


def _by_key(
    statement: Statement | HaltStatement,
    assertion: Assertion,
    at: datetime,
    trust: Trust,
    may: Callable[[Approver], bool],
) -> str:
    """Return why this is not a valid signature of an approver; "" if it is."""
    known = trust.approvers.find(statement.person, b64url.encode(assertion.credential_id))
    if known is None:
        return "the approvers file does not contain this key"
    if not known.valid(at) or not may(known):
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
