"""Halt a run between two steps: compose the statement, take the person's signature.

A halt cannot make anything run, but it rolls back the applied steps, which can give access back.
So it is signed with a passkey, and the worker verifies the signature before it stops
(`judge_halt`). Until then the guard on step rows refuses the next step.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import b64url, errors
from remediation.domain.events import Event
from remediation.domain.gate.signature import Assertion
from remediation.domain.halt.statement import (
    MAX_REASON,
    MIN_REASON,
    HaltStatement,
    rolled_back_steps,
)
from remediation.domain.inert import visible
from remediation.domain.secrets import masking
from remediation.domain.states import ProposalState
from remediation.models import Halt, HaltSession, Proposal, User
from remediation.services import transition
from remediation.services.access import visibility
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.load_plan import load_plan
from remediation.services.people import passkeys
from remediation.services.reporting import secrets as secrecy


@dataclass(frozen=True)
class Started:
    """What the browser needs: the session's id and options for navigator.credentials.get()."""

    session_id: UUID
    options: dict[str, Any]


def start(*, actor: User, proposal_id: UUID, reason: str) -> Started:
    """Compose the statement that halts this run, for this person to sign once within five minutes.

    Raises NoSuchObject, Separation, NotEntitled, ReasonRequired, TooLarge, BadValue, and
    WrongState when the proposal is not running.
    """
    reason = checked(reason, MAX_REASON)
    found = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if found is not None:
        # Before the lock, since it searches the evidence, which may take time.
        reason = told(found, reason)
    with transaction.atomic():
        proposal = _running(actor, proposal_id)
        statement = _compose(actor, proposal, reason)
        entry = log.append(
            action=Event.PERSON_HALT_STARTED,
            actor=actor.actor,
            object=f"proposal:{proposal_id}",
            data={"round": proposal.round, "statement": statement.digest},
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
    """Record a signed halt: no further step begins before the worker has verified it.

    ``assertion`` is the passkey's assertion over the started statement. Raises SessionExpired,
    SessionUsed, SignatureInvalid, what `start` raises, and WrongState when every step has begun or
    the worker has verified another halt. A crash before the commit leaves no halt; after it the
    worker, or `reconcile`, finds the row.
    """
    given = Assertion.from_browser(dict(assertion))
    with transaction.atomic():
        session = HaltSession.objects.filter(pk=session_id, person=actor.person).first()
        if session is None:
            raise errors.NoSuchObject()
        _running(actor, session.proposal_id)
        statement = HaltStatement.parse(bytes(session.statement))
        cose_key = passkeys.signed_by(actor, given, statement.challenge())
        # The entry holds the assertion, so that outsiders can verify it without our tables.
        entry = log.append(
            action=Event.PERSON_EXECUTION_HALTED,
            actor=actor.actor,
            object=f"proposal:{session.proposal_id}",
            data={
                "statement": statement.to_json(),
                "assertion": given.to_json(),
                "cose_key": b64url.encode(cose_key),
            },
        )
        with translated():
            return Halt.objects.create(
                session=session,
                proposal_id=session.proposal_id,
                person=actor.person,
                reason=statement.reason,
                statement=bytes(session.statement),
                credential_id=given.credential_id,
                authenticator_data=given.authenticator_data,
                client_data_json=given.client_data_json,
                signature=given.signature,
                cose_key=cose_key,
                entry=entry.id,
            )


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


def _running(actor: User, proposal_id: UUID) -> Proposal:
    """Lock and return the proposal, if it is running and this person may halt it."""
    transition.lock(proposal_id)
    proposal = Proposal.objects.filter(pk=proposal_id).first()
    if proposal is None or not visibility.may_view(actor, proposal):
        raise errors.NoSuchObject()
    if proposal.state != ProposalState.EXECUTING:
        raise errors.WrongState(f"the proposal is {proposal.state}")
    visibility.refuse_to_halt(actor, proposal)
    return proposal


def _compose(actor: User, proposal: Proposal, reason: str) -> HaltStatement:
    return HaltStatement(
        proposal=str(proposal.pk),
        round=proposal.round,
        plan=proposal.plan_digest,
        takes_back=rolled_back_steps(load_plan(bytes(proposal.plan))),
        reason=reason,
        person=str(actor.person),
        nonce=secrets.token_hex(32),
        expires=database_now() + passkeys.SESSION_LIFE,
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )
