"""Signed narrowings and the proposals that they make."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from remediation import models as m
from remediation.domain.events import Event
from remediation.domain.narrowing import Kept
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.plan import Plan
from remediation.domain.statement import Verdicts
from tests.factories.logins import WEB, acting, entry
from tests.factories.people import Person
from tests.factories.proposals import insert_proposal, load, move
from tests.factories.reviews import digests, entitle, insert_session


def narrowing_statement(
    proposal: m.Proposal, someone: Person, left: Plan, slot: str = "any"
) -> NarrowingStatement:
    """Return what the person would sign now so that this plan is left."""
    proposal.refresh_from_db()
    return NarrowingStatement(
        proposal=str(proposal.pk),
        round=proposal.round,
        digests=digests(proposal, proposal.assessments.get(round=proposal.round)),
        makes=str(uuid4()),
        narrowed=left.digest,
        kept=tuple(Kept(place, step.parameters) for place, step in enumerate(left.steps)),
        verdicts=Verdicts(True, True, True),
        reason="The others are not part of it.",
        slot=slot,
        person=str(someone.id),
        nonce=secrets.token_hex(32),
        expires=datetime.now(UTC) + timedelta(minutes=5),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )


def narrowing_session(
    proposal: m.Proposal, someone: Person, left: Plan | None = None, slot: str = "any"
) -> m.ReviewSession:
    """Start a narrowing of an entitled person."""
    entitle(proposal, someone)
    composed = narrowing_statement(proposal, someone, left or load(proposal), slot)
    return insert_session(composed, proposal=proposal, person=someone.id)


def sign_narrowing(
    session: m.ReviewSession, someone: Person, *, actor: str = "", **said: Any
) -> m.Narrowing:
    """Insert the narrowing with a real signature; its proposal must follow in this transaction.

    `said` overrides columns; `actor` is whom the entry names instead.
    """
    composed = NarrowingStatement.parse(bytes(session.statement))
    made = someone.passkey.assertion(composed.challenge(), composed.rp_id, composed.origin)
    columns = {
        "proposal_id": UUID(composed.makes),
        "narrows_id": session.proposal_id,
        "person": someone.id,
        "slot": composed.slot,
        "statement": bytes(session.statement),
        "credential_id": made.credential_id,
        "authenticator_data": made.authenticator_data,
        "client_data_json": made.client_data_json,
        "signature": made.signature,
        "cose_key": someone.passkey.cose_key,
        **said,
    }
    with acting(WEB):
        return m.Narrowing.objects.create(
            session=session,
            entry=entry(
                Event.PERSON_PLAN_NARROWED,
                actor or f"person:{columns['person']}",
                f"proposal:{columns['proposal_id']}",
            ),
            **columns,
        )


def narrow(
    proposal: m.Proposal,
    someone: Person,
    left: Plan | None = None,
    *,
    slot: str = "any",
    inserted: Plan | None = None,
    columns: Mapping[str, Any] | None = None,
) -> m.Proposal:
    """Sign a narrowing that leaves this plan (or all), and insert the proposal that it makes.

    `inserted` is a plan that is inserted instead of the signed one; `columns` overrides those
    of the narrowing.
    """
    left = left or load(proposal)
    session = narrowing_session(proposal, someone, left, slot)
    with transaction.atomic():
        signed = sign_narrowing(session, someone, **(columns or {}))
        move(proposal, "superseded", login=WEB, actor=someone.actor)
        return insert_proposal(
            inserted or left,
            id=signed.proposal_id,
            diagnosis=proposal.diagnosis,
            agent=proposal.agent,
            token=proposal.token,
            supersedes=proposal,
            editor=someone.id,
        )
