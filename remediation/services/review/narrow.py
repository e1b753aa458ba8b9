"""Narrow a plan: leave steps out or make parameters smaller, signed, as a new proposal.

It voids what others decided on the old plan, so a session cookie is not enough (A76). It counts as
its author's approval of the narrowed plan where all behind it was signed (domain/narrowing).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import b64url, errors, narrowing
from remediation.domain.approval_conditions import names_of
from remediation.domain.events import Event
from remediation.domain.gate.signature import Assertion
from remediation.domain.narrowing import Kept
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.plan import Plan
from remediation.domain.ruling import Risk
from remediation.domain.secrets import masking
from remediation.domain.statement import MAX_BYTES, Verdicts
from remediation.domain.states import ProposalState
from remediation.models import Assessment, Narrowing, Proposal, ReviewSession, User
from remediation.services import transition
from remediation.services.access import authorize, looks
from remediation.services.actors import PersonActor
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.load_plan import load_plan
from remediation.services.outbox import dispatch
from remediation.services.people import passkeys
from remediation.services.reporting import secrets as secrecy
from remediation.services.reporting import supersede
from remediation.services.review import old_page, report_agent
from remediation.services.review import statement as statements
from remediation.services.review.sign import (
    FRESH_FOR,
    Started,
    refuse_excluded,
    under_review,
)


def may_narrow(user: User, proposal: Proposal) -> bool:
    """Return whether the page offers it; `start` verifies it again."""
    assessment = authorize.newest(proposal)
    return (
        proposal.state == ProposalState.IN_REVIEW
        and proposal.reverses_id is None
        and assessment is not None
        and str(user.person) not in authorize.excluded(proposal.pk)
        and bool(authorize.slots_of(user, assessment))
    )


def start(
    *,
    actor: User,
    proposal_id: UUID,
    page: old_page.Page,
    kept: Sequence[Kept],
    verdicts: Mapping[str, str],
    reason: str,
    slot: str,
    opened: Iterable[str] = (),
    typed: Sequence[str] = (),
) -> Started:
    """Compose the statement that narrows the plan to ``kept``, for this person to sign once.

    The arguments are as in `sign.start`. Changes nothing yet. Raises what that raises, and
    NothingLeftOut, NotNarrower.
    """
    reason = _masked(proposal_id, reason.strip())
    with transaction.atomic():
        transition.lock(proposal_id)
        proposal, assessment = under_review(actor, proposal_id)
        old_page.refuse(proposal, assessment, page, approves=True)
        _check(actor, proposal, assessment, slot)
        left = _left(proposal, kept)
        statement = NarrowingStatement(
            proposal=str(proposal.pk),
            round=proposal.round,
            digests=statements.digests_of(proposal, assessment),
            makes=str(uuid4()),
            narrowed=left.digest,
            kept=tuple(kept),
            verdicts=Verdicts.from_json(dict(verdicts), "/verdicts"),
            reason=reason,
            slot=slot,
            person=str(actor.person),
            nonce=secrets.token_hex(32),
            expires=database_now() + passkeys.SESSION_LIFE,
            rp_id=settings.RP_ID,
            origin=settings.ORIGIN,
        )
        statement.check_consistent()
        if len(statement.body()) > MAX_BYTES:
            raise errors.TooLarge("what is left is too long to sign")
        looked = _looked(proposal, assessment, left, set(opened), typed)
        session = _remember(PersonActor(actor.person, actor.pk), proposal, statement, looked)
        return Started(session.pk, passkeys.options(actor, statement.challenge()))


def sign(*, actor: User, session_id: UUID, assertion: Mapping[str, Json]) -> UUID:
    """Record the signed narrowing and the proposal that it makes; return that one's id.

    One transaction: the narrowing, the end of the old proposal and the new one. A crash before the
    commit leaves none of them; after it the sweeper gets the new one assessed.
    """
    given = Assertion.from_browser(dict(assertion))
    with transaction.atomic():
        session = ReviewSession.objects.filter(pk=session_id, person=actor.person).first()
        if session is None:
            raise errors.NoSuchObject()
        transition.lock(session.proposal_id)
        statement = NarrowingStatement.parse(bytes(session.statement))
        cose_key = passkeys.signed_by(actor, given, statement.challenge())
        proposal, assessment = under_review(actor, session.proposal_id)
        _check(actor, proposal, assessment, statement.slot)
        report_agent.check_proposer(proposal)
        old_page.refuse_since(session, assessment)
        left = _left(proposal, statement.kept)
        person = PersonActor(actor.person, actor.pk)
        _record(person, session, statement, given, cose_key)
        made = supersede.supersede(
            actor=person,
            proposal_id=proposal.pk,
            plan=left,
            rationale=proposal.rationale,
            reason=statement.reason,
            makes=UUID(statement.makes),
        )
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made


def _masked(proposal_id: UUID, reason: str) -> str:
    """Return the reason with secrets masked: the record keeps it for ever (A61)."""
    found = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if found is None:
        return reason
    return masking.mask_text(reason, secrecy.known_values(found.incident))


def _check(actor: User, proposal: Proposal, assessment: Assessment, slot: str) -> None:
    """Ask what guard and gate ask again."""
    refuse_excluded(actor, proposal)
    if not authorize.entitled_roles(actor.person, assessment):
        raise errors.NotEntitled("only people who may review may leave something out")
    if slot not in authorize.slots_of(actor, assessment):
        raise errors.SlotNotOpen(slot[:40])
    if proposal.reverses_id is not None:
        raise errors.WrongState("a reversal is exactly the inverse of a run")
    if not looks.is_fresh(assessment, database_now(), FRESH_FOR):
        raise errors.AssessmentStale()


def _left(proposal: Proposal, kept: Sequence[Kept]) -> Plan:
    """Return the plan that is left. Raises BadInput, NotNarrower, NothingLeftOut."""
    old = load_plan(bytes(proposal.plan))
    left = narrowing.keep(
        old,
        kept,
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )
    wider = narrowing.why_wider(old, left)
    if wider:
        raise errors.NotNarrower(wider)
    if left.digest == old.digest:
        raise errors.NothingLeftOut()
    return left


def _looked(
    proposal: Proposal,
    assessment: Assessment,
    left: Plan,
    opened: set[str],
    typed: Sequence[str],
) -> dict[str, Json]:
    """Ask what an approval asks, of names those of the targets that are left."""
    report_agent.check_proposer(proposal)
    wanted = replace(
        statements.conditions(proposal, assessment),
        names=names_of(left) if assessment.risk == Risk.CRITICAL else (),
    )
    wanted.check(opened, typed)
    return {"opened": list(wanted.artefacts), "typed": list(wanted.names)}


def _remember(
    actor: PersonActor,
    proposal: Proposal,
    statement: NarrowingStatement,
    looked: dict[str, Json],
) -> ReviewSession:
    entry = log.append(
        action=Event.PERSON_NARROWING_STARTED,
        actor=actor.ref,
        object=f"proposal:{proposal.pk}",
        data={"round": statement.round, "statement": statement.digest, **looked},
    )
    with translated():
        return ReviewSession.objects.create(
            proposal=proposal,
            round=statement.round,
            person=actor.person,
            nonce=statement.nonce,
            statement=statement.body(),
            expires_at=statement.expires,
            entry=entry.id,
        )


def _record(
    actor: PersonActor,
    session: ReviewSession,
    statement: NarrowingStatement,
    given: Assertion,
    cose_key: bytes,
) -> None:
    # Before the proposal that it makes: until then the old one is in review, which the guard asks.
    entry = log.append(
        action=Event.PERSON_PLAN_NARROWED,
        actor=actor.ref,
        object=f"proposal:{statement.makes}",
        data={
            "statement": statement.to_json(),
            "assertion": given.to_json(),
            "cose_key": b64url.encode(cose_key),
        },
    )
    with translated():
        Narrowing.objects.create(
            session=session,
            proposal_id=UUID(statement.makes),
            narrows_id=session.proposal_id,
            person=actor.person,
            slot=statement.slot,
            statement=bytes(session.statement),
            credential_id=given.credential_id,
            authenticator_data=given.authenticator_data,
            client_data_json=given.client_data_json,
            signature=given.signature,
            cose_key=cose_key,
            entry=entry.id,
        )
