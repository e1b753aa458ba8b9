"""Review sessions, statements and signed reviews."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F
from guardian.models import UserObjectPermission

from remediation import models as m
from remediation.domain.digest import Digests
from remediation.domain.events import Event
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.statement import Decision, Reason, Statement, Verdicts
from remediation.domain.states import ProposalState
from tests.factories.logins import WEB, acting, entry
from tests.factories.people import Person, grant, person
from tests.factories.proposals import move


def digests(proposal: m.Proposal, assessment: m.Assessment) -> Digests:
    return Digests(
        plan=proposal.plan_digest,
        diagnosis=proposal.diagnosis.digest,
        scope=assessment.scope_digest,
        ruling=assessment.ruling_digest,
        pin=assessment.pin_digest,
        checks=assessment.checks_digest,
    )


def statement(
    proposal: m.Proposal,
    someone: Person,
    decision: str = "approve",
    slot: str = "any",
    **said: Any,
) -> Statement:
    """Return what the person would sign now; `said` overrides fields of the statement."""
    proposal.refresh_from_db()
    yes = decision == Decision.APPROVE
    rejected = decision == Decision.REJECT
    reason = Reason("action_wrong" if rejected else "timing", "Not like this, not now.")
    usual = Statement(
        proposal=str(proposal.pk),
        round=proposal.round,
        digests=digests(proposal, proposal.assessments.get(round=proposal.round)),
        decision=Decision(decision),
        verdicts=Verdicts(True, True, yes),
        reason=Reason("", "") if yes else reason,
        slot=slot,
        person=str(someone.id),
        nonce=secrets.token_hex(32),
        expires=datetime.now(UTC) + timedelta(minutes=5),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )
    return replace(usual, **said)


def entitle(proposal: m.Proposal, someone: Person) -> None:
    """Give the right to review one affected service, unless the person has one or none is known."""
    direct = m.AssessmentService.objects.filter(
        assessment__proposal=proposal, assessment__round=F("assessment__proposal__round"), depth=1
    ).values_list("service_id", flat=True)
    held = UserObjectPermission.objects.filter(user=someone.user, object_pk__in=map(str, direct))
    if direct and not held.exists():
        grant(someone.user, "review_service", m.Service.objects.get(pk=direct[0]))


def session(proposal: m.Proposal, someone: Person, **said: Any) -> m.ReviewSession:
    """Start a review of an entitled person; `said` are arguments of `statement`."""
    entitle(proposal, someone)
    return insert_session(
        statement(proposal, someone, **said), proposal=proposal, person=someone.id
    )


def insert_session(
    composed: Statement | NarrowingStatement,
    *,
    login: str = WEB,
    proposal: m.Proposal,
    person: UUID,
    **fields: Any,
) -> m.ReviewSession:
    """Insert the row; `fields` override what the statement says."""
    said = {
        "round": composed.round,
        "nonce": composed.nonce,
        "statement": composed.body(),
        "expires_at": composed.expires,
        **fields,
    }
    with acting(login):
        return m.ReviewSession.objects.create(
            proposal=proposal,
            person=person,
            entry=entry(Event.PERSON_REVIEW_STARTED, f"person:{person}", f"proposal:{proposal.pk}"),
            **said,
        )


def sign(session: m.ReviewSession, someone: Person, *, login: str = WEB, **said: Any) -> m.Review:
    """Insert the review of a started session with a real signature; `said` overrides columns."""
    composed = Statement.parse(bytes(session.statement))
    made = someone.passkey.assertion(composed.challenge(), composed.rp_id, composed.origin)
    columns = {
        "proposal_id": session.proposal_id,
        "round": session.round,
        "person": someone.id,
        "slot": composed.slot,
        "decision": composed.decision.value,
        "statement": composed.body(),
        "credential_id": made.credential_id,
        "authenticator_data": made.authenticator_data,
        "client_data_json": made.client_data_json,
        "signature": made.signature,
        "cose_key": someone.passkey.cose_key,
        **said,
    }
    with acting(login):
        actor = f"person:{columns['person']}"
        return m.Review.objects.create(
            session=session,
            entry=entry(Event.PERSON_REVIEW_SIGNED, actor, f"proposal:{columns['proposal_id']}"),
            **columns,
        )


def review(
    proposal: m.Proposal, someone: Person, decision: str = "approve", slot: str = "any"
) -> m.Review:
    """Start and sign a review; the proposal's state stays."""
    return sign(session(proposal, someone, decision=decision, slot=slot), someone)


def approve(proposal: m.Proposal, *reviewers: Person) -> None:
    """Fill the open slots of the round, with these people in the ruling's order (or new ones),
    and walk to approved."""
    slots = proposal.assessments.get(round=proposal.round).slots
    people = iter(reviewers)
    for slot in slots:
        someone = next(people, None) or person(roles=["security" if slot == "any" else slot])
        review(proposal, someone, slot=slot)
        last = someone.actor
    move(proposal, ProposalState.APPROVED, login=WEB, actor=last)
