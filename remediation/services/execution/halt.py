"""Sign about a run: halt it, settle it by hand, or answer to one that waits (go on, or longer).

Compose the statement, take the person's signature. An undo gives access back, a settlement ends the
search for an outcome, and `go on` lets the next step run, if the whole gate clears it. So each is
signed with a passkey, and the worker verifies the signature before it takes effect (`judge_halt`).
Until then the guard on step rows refuses the next step of a halted run.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import b64url, errors, instant
from remediation.domain.events import Event
from remediation.domain.gate.signature import Assertion
from remediation.domain.gate.signed_halt import MOST_SEEN_AGE
from remediation.domain.halt.statement import (
    MAX_REASON,
    MIN_REASON,
    Found,
    HaltStatement,
    RunDecision,
    signed_steps,
)
from remediation.domain.inert import visible
from remediation.domain.secrets import masking
from remediation.domain.states import ProposalState
from remediation.models import Halt, HaltSession, Proposal, User
from remediation.services import transition
from remediation.services.access import visibility
from remediation.services.clock import database_now
from remediation.services.execution import waits
from remediation.services.guards import translated
from remediation.services.load_plan import read_plan
from remediation.services.outbox import dispatch
from remediation.services.people import passkeys
from remediation.services.reporting import secrets as secrecy


@dataclass(frozen=True)
class Started:
    """What the browser needs: the session's id and options for navigator.credentials.get()."""

    session_id: UUID
    options: dict[str, Any]


# The states in which each decision can be signed; the guard on the row says the rest.
STATES = {
    RunDecision.KEEP: (ProposalState.EXECUTING, ProposalState.WAITING),
    RunDecision.UNDO: (ProposalState.EXECUTING, ProposalState.WAITING, ProposalState.STOPPED),
    RunDecision.SETTLE: (ProposalState.UNKNOWN, ProposalState.STOPPED),
    RunDecision.GO_ON: (ProposalState.WAITING,),
    RunDecision.LONGER: (ProposalState.WAITING,),
}
_HALT = (Event.PERSON_HALT_STARTED, Event.PERSON_EXECUTION_HALTED)
_ANSWER = (Event.PERSON_ANSWER_STARTED, Event.PERSON_WAIT_ANSWERED)
# The events of a statement that is composed, and of one that is signed.
EVENTS = {
    RunDecision.KEEP: _HALT,
    RunDecision.UNDO: _HALT,
    RunDecision.SETTLE: (Event.PERSON_SETTLEMENT_STARTED, Event.PERSON_RUN_SETTLED),
    RunDecision.GO_ON: _ANSWER,
    RunDecision.LONGER: _ANSWER,
}


@dataclass(frozen=True)
class Answer:
    """What a person says about a wait, beside the decision.

    ``step`` and ``seen`` are of the page that the person saw (`waits.shown`): if something else is
    shown by now, nothing is composed. ``longer_s`` is for `longer` only.
    """

    step: int
    seen: str
    longer_s: int = 0


# A run that can no longer be halted, because it has ended.
ENDED = frozenset(
    {
        ProposalState.SUCCEEDED,
        ProposalState.FAILED,
        ProposalState.STOPPED,
        ProposalState.ROLLED_BACK,
    }
)


def start(
    *,
    actor: User,
    proposal_id: UUID,
    decision: str,
    reason: str,
    found: str = "",
    answer: Answer | None = None,
) -> Started:
    """Compose the statement about this run, for this person to sign once within five minutes.

    ``decision`` is keep, undo, settle, go_on or longer; ``found`` is what the person found at the
    target of an unknown run; ``answer`` goes with the last two. Raises NoSuchObject, Separation,
    NotEntitled, ReasonRequired, TooLarge, BadValue, StaleDigest when the page shows something else
    by now, RunEnded when it comes too late, and WrongState in any other state.
    """
    chosen, saw = _decision(decision), _found(found)
    reason = checked(reason, MAX_REASON)
    known = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if known is not None:
        # Before the lock, since it searches the evidence, which may take time.
        reason = told(known, reason)
    with transaction.atomic():
        proposal = _open(actor, proposal_id, chosen)
        statement = _compose(actor, proposal, chosen, saw, reason)
        if chosen.waits:
            statement = _answering(statement, proposal, answer)
        entry = log.append(
            action=EVENTS[chosen][0],
            actor=actor.actor,
            object=f"proposal:{proposal_id}",
            data={
                "round": proposal.round,
                "statement": statement.digest,
                "decision": chosen.value,
            },
        )
        with translated():
            session = HaltSession.objects.create(
                proposal=proposal,
                person=actor.person,
                nonce=statement.nonce,
                statement=statement.body(),
                expires_at=statement.expires,
                entry=entry.id,
            )
        # Before the commit: when the passkeys cannot be read, no session remains.
        return Started(session.pk, passkeys.options(actor, statement.challenge()))


def sign(*, actor: User, session_id: UUID, assertion: Mapping[str, Json]) -> Halt:
    """Record a signed statement: no further step begins before the worker has verified a halt.

    ``assertion`` is the passkey's assertion over the started statement. Raises SessionExpired,
    SessionUsed, SignatureInvalid, what `start` raises, and WrongState when it comes too late to
    have an effect. A crash before the commit leaves nothing; after it the worker finds the row. Of
    a run that no worker holds, the row's trigger asks for one, and the sweeper sends the message
    again.
    """
    given = Assertion.from_browser(dict(assertion))
    with transaction.atomic():
        session = HaltSession.objects.filter(pk=session_id, person=actor.person).first()
        if session is None:
            raise errors.NoSuchObject()
        statement = HaltStatement.parse(bytes(session.statement))
        proposal = _open(actor, session.proposal_id, statement.decision)
        cose_key = passkeys.signed_by(actor, given, statement.challenge())
        # The entry holds the assertion, so that outsiders can verify it without our tables.
        entry = log.append(
            action=EVENTS[statement.decision][1],
            actor=actor.actor,
            object=f"proposal:{session.proposal_id}",
            data={
                "statement": statement.to_json(),
                "assertion": given.to_json(),
                "cose_key": b64url.encode(cose_key),
            },
        )
        with translated():
            made = Halt.objects.create(
                session=session,
                proposal_id=session.proposal_id,
                person=actor.person,
                decision=statement.decision.value,
                reason=statement.reason,
                statement=bytes(session.statement),
                credential_id=given.credential_id,
                authenticator_data=given.authenticator_data,
                client_data_json=given.client_data_json,
                signature=given.signature,
                cose_key=cose_key,
                entry=entry.id,
            )
        if proposal.state != ProposalState.EXECUTING:
            kind = _kind(statement.decision, proposal)
            transaction.on_commit(lambda: dispatch.wake(kind, proposal.pk), robust=True)
    return made


def _kind(decision: RunDecision, proposal: Proposal) -> str:
    """Return the kind of the outbox row that the statement's trigger wrote."""
    if proposal.state == ProposalState.WAITING:
        return "answer"
    return "undo" if decision.halts else "settle_run"


def found_of(halt: Halt) -> Found:
    """Return what the person of this settlement says was found."""
    return HaltStatement.parse(bytes(halt.statement)).found


def told(proposal: Proposal, reason: str) -> str:
    """Return the reason to record, with secrets of the incident's evidence masked (A61)."""
    return masking.mask_text(reason, secrecy.known_values(proposal.incident))


def checked(reason: str, most: int) -> str:
    """Return a person's reason, stripped and valid. Raises ReasonRequired, TooLarge, BadValue."""
    stripped = reason.replace("\r\n", "\n").strip()
    if len(stripped) < MIN_REASON:
        raise errors.ReasonRequired(f"give a reason of at least {MIN_REASON} characters")
    if len(stripped) > most:
        raise errors.TooLarge(f"at most {most} characters")
    if visible(stripped) != stripped:
        raise errors.BadValue("the reason contains invisible characters")
    return stripped


def _decision(given: str) -> RunDecision:
    if given not in STATES:
        raise errors.BadValue("choose what to do", pointer="/decision")
    return RunDecision(given)


def _found(given: str) -> Found:
    if given not in tuple(Found):
        raise errors.BadValue("say what was found", pointer="/found")
    return Found(given)


def _open(actor: User, proposal_id: UUID, decision: RunDecision) -> Proposal:
    """Lock and return the proposal, if this person may decide this about it now."""
    transition.lock(proposal_id)
    proposal = Proposal.objects.filter(pk=proposal_id).first()
    if proposal is None or not visibility.may_view(actor, proposal):
        raise errors.NoSuchObject()
    if proposal.state not in STATES[decision]:
        kind = errors.RunEnded if proposal.state in ENDED else errors.WrongState
        raise kind(f"the proposal is {proposal.state}")
    visibility.refuse_to_halt(actor, proposal)
    return proposal


def _compose(
    actor: User, proposal: Proposal, decision: RunDecision, found: Found, reason: str
) -> HaltStatement:
    return HaltStatement(
        decision=decision,
        proposal=str(proposal.pk),
        round=proposal.round,
        plan=proposal.plan_digest,
        takes_back=signed_steps(decision, read_plan(bytes(proposal.plan))),
        reason=reason,
        person=str(actor.person),
        nonce=secrets.token_hex(32),
        expires=database_now() + passkeys.SESSION_LIFE,
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
        found=found,
    )


def _answering(
    statement: HaltStatement, proposal: Proposal, answer: Answer | None
) -> HaltStatement:
    """Return the statement as an answer to the wait in which the run is now."""
    wait = waits.newest(proposal)
    if answer is None or wait is None:
        raise errors.BadValue("say to which wait it is an answer", pointer="/step")
    page = waits.shown(wait)
    if (answer.step, answer.seen) != (wait.step, page.digest):
        raise errors.StaleDigest("the page shows something else by now")
    oldest = min((one.at for one in page.sightings), default=None)
    if oldest is not None and statement.expires - oldest > MOST_SEEN_AGE:
        raise errors.WrongState(
            f"the last look is of {instant.dump(oldest)}; the worker has to look again first"
        )
    goes_on = statement.decision is RunDecision.GO_ON
    if goes_on is bool(answer.longer_s):
        raise errors.BadValue(
            "say how much longer it waits, and of nothing else", pointer="/longer_s"
        )
    return replace(
        statement,
        step=wait.step,
        seen=page.digest,
        unmet=page.unmet if goes_on else (),
        longer_s=answer.longer_s,
    )
