"""A43: attacks of the web login on narrowings (A07, A10): what an edit calls itself, and when."""

from __future__ import annotations

import secrets
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
from tests import factories
from tests.database.attack import Attack, attack, off
from tests.database.world import World
from tests.factories import WEB, Person, acting, entry

ATTACKS: list[Attack] = []

narrowing, made = off("narrowing"), off("proposal", "narrowed")


def composed(
    old: m.Proposal, by: Person, plan: Plan, *, makes: UUID, slot: str = "any"
) -> NarrowingStatement:
    """Return what the person signs to leave this plan of the old one."""
    old.refresh_from_db()
    steps = factories.load(old).steps
    return NarrowingStatement(
        proposal=str(old.pk),
        round=old.round,
        digests=factories.digests(old, old.assessments.get(round=old.round)),
        makes=str(makes),
        narrowed=plan.digest,
        kept=tuple(Kept(step.index, step.parameters) for step in steps),
        verdicts=Verdicts(True, True, True),
        reason="The rest is not part of it.",
        slot=slot,
        person=str(by.id),
        nonce=secrets.token_hex(32),
        expires=datetime.now(UTC) + timedelta(minutes=5),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )


def narrow(
    old: m.Proposal,
    by: Person,
    plan: Plan | None = None,
    *,
    makes: UUID | None = None,
    slot: str = "any",
) -> UUID:
    """Insert the row of a narrowing, as the web process does, and return what it makes."""
    left, new = plan or factories.load(old), makes or uuid4()
    factories.entitle(old, by)
    said = composed(old, by, left, makes=new, slot=slot)
    signed = by.passkey.assertion(said.challenge(), said.rp_id, said.origin)
    session = factories.insert_session(said, proposal=old, person=by.id)  # type: ignore[arg-type]
    with acting(WEB):
        m.Narrowing.objects.create(
            session=session,
            proposal_id=new,
            narrows=old,
            person=by.id,
            slot=said.slot,
            statement=said.body(),
            credential_id=signed.credential_id,
            authenticator_data=signed.authenticator_data,
            client_data_json=signed.client_data_json,
            signature=signed.signature,
            cose_key=by.passkey.cose_key,
            entry=entry(Event.PERSON_PLAN_NARROWED, by.actor, f"proposal:{new}"),
        )
    return new


def follow(old: m.Proposal, by: Person, new: UUID, plan: Plan, **said: Any) -> m.Proposal:
    """End the old proposal and insert the one that the narrowing makes."""
    factories.move(old, "superseded", login=WEB, actor=by.actor)
    return insert(old, by, new, plan, **said)


def insert(old: m.Proposal, by: Person, new: UUID, plan: Plan, **said: Any) -> m.Proposal:
    usual: dict[str, Any] = {
        "id": new,
        "diagnosis": old.diagnosis,
        "agent": old.agent,
        "token": old.token,
        "editor": by.id,
        "supersedes": old,
    }
    return factories.insert_proposal(plan, **{**usual, **said})


@attack(ATTACKS, WEB, "narrowing_late", narrowing)
def _a07_an_editor_is_released_by_the_narrowing_of_something_else(w: World) -> None:
    """The proposal that eve edited is there already; a narrowing elsewhere "makes" it."""
    narrow(w.in_review, w.sue, makes=w.submitted.pk)


@attack(ATTACKS, WEB, "narrowing_reversal", narrowing)
def _a_reversal_is_narrowed(w: World) -> None:
    with transaction.atomic():
        new = narrow(w.orphaned, w.sue)
        plan = factories.load(w.orphaned)
        follow(w.orphaned, w.sue, new, plan)


@attack(ATTACKS, WEB, "narrowing_disputed", narrowing)
def _a_rejection_that_waits_for_the_worker_is_gone_around(w: World) -> None:
    with transaction.atomic():
        new = narrow(w.disputed, w.sue)
        follow(w.disputed, w.sue, new, factories.load(w.disputed))


@attack(ATTACKS, WEB, "agent_disabled", narrowing)
def _a16_a_suspended_agents_plan_is_narrowed(w: World) -> None:
    factories.agent_version(w.agent, w.dave, enabled=False)
    with transaction.atomic():
        new = narrow(w.in_review, w.sue)
        follow(w.in_review, w.sue, new, factories.load(w.in_review))


@attack(ATTACKS, WEB, "narrowed_signed", made)
def _another_person_stands_for_who_narrowed(w: World) -> None:
    with transaction.atomic():
        new = narrow(w.in_review, w.sue)
        follow(w.in_review, w.alice, new, factories.load(w.in_review))


@attack(ATTACKS, WEB, "narrowed_place", made)
def _a_narrowed_alternative_leaves_its_choice(w: World) -> None:
    """Withdrawn is not superseded: the guard of choices does not ask, and both could run."""
    with transaction.atomic():
        new = narrow(w.offered, w.sue)
        factories.move(w.offered, "withdrawn", login=WEB, actor=w.agent.actor)
        insert(w.offered, w.sue, new, factories.load(w.offered))


@attack(ATTACKS, WEB, "narrowed_place", made)
def _a11_another_agent_hides_who_may_not_decide(w: World) -> None:
    other = factories.agent(w.bob)
    with transaction.atomic():
        new = narrow(w.in_review, w.sue)
        plan = factories.load(w.in_review)
        follow(w.in_review, w.sue, new, plan, agent=other, token=factories.token(other))


@attack(ATTACKS, WEB, "narrowed_plan", made)
def _a07_a_widening_is_called_a_narrowing(w: World) -> None:
    wider = factories.plan("somebody-elses")
    with transaction.atomic():
        new = narrow(w.in_review, w.sue, wider)
        follow(w.in_review, w.sue, new, wider)


@attack(ATTACKS, WEB, "review_narrowed", off("review", "guard_narrowed"))
def _a10_who_narrowed_fills_a_second_slot(w: World) -> None:
    factories.review(w.narrowed_by_sue, w.sue)
