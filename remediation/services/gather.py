"""From rows to evidence: everything that the gate looks at, read fresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection

from remediation.domain import checks as checks_
from remediation.domain.evidence import (
    AgentEvidence,
    Evidence,
    Excluded,
    PersonEvidence,
    ReviewEvidence,
    Unobservable,
)
from remediation.domain.observation import Observation, Pinned
from remediation.domain.plan import Plan
from remediation.domain.policy import facts
from remediation.domain.scope import Scope
from remediation.domain.signature import Assertion
from remediation.models import Assessment, Freeze, Proposal, Review, Transition
from remediation.services import authorize
from remediation.services.clock import database_now
from remediation.services.scope import scope_of


def gather(
    proposal: Proposal,
    plan: Plan,
    *,
    observations: Mapping[str, Observation | None],
    failures: Mapping[str, str],
    step: int = 0,
    applied: tuple[int, ...] = (),
    token: int = 0,
) -> Evidence:
    """Collect what the gate needs about ``step`` of a proposal.

    In: observations by locator (of this step's target and, before the first step, of all), why
    others failed, the indices of applied steps, the lease's token. Reads only.
    """
    assessment = Assessment.objects.get(proposal=proposal, round=proposal.round)
    reviews = list(Review.objects.filter(proposal=proposal, round=proposal.round).order_by("id"))
    scope: Scope = scope_of(plan)
    found = checks_.parse(bytes(assessment.checks))
    return Evidence(
        proposal_id=str(proposal.pk),
        round=proposal.round,
        plan=bytes(proposal.plan).decode(),
        diagnosis=bytes(proposal.diagnosis.body).decode(),
        scope=bytes(assessment.scope).decode(),
        checks=bytes(assessment.checks).decode(),
        ruling=bytes(assessment.ruling).decode(),
        pin=bytes(assessment.pin).decode(),
        facts=facts(plan, scope, found, observations),
        reviews=tuple(_review(review) for review in reviews),
        people=_people({review.person for review in reviews}, assessment),
        excluded=tuple(
            Excluded(person, why) for person, why in authorize.excluded(proposal.pk).items()
        ),
        agent=_agent(proposal.agent_id),
        frozen=frozen_reason(),
        observations=tuple(
            Pinned(locator, seen.exists, seen.state)
            for locator, seen in observations.items()
            if seen is not None
        ),
        unobservable=tuple(Unobservable(locator, why) for locator, why in failures.items()),
        step=step,
        applied=applied,
        approved_at=_approved_at(proposal),
        database_now=database_now(),
        worker_now=datetime.now(UTC),
        token=token,
    )


def frozen_reason() -> str:
    """Why execution is frozen, or ""."""
    newest = Freeze.objects.order_by("-id").first()
    return (newest.reason or "frozen") if newest is not None and newest.frozen else ""


def _review(review: Review) -> ReviewEvidence:
    return ReviewEvidence(
        person=str(review.person),
        slot=review.slot,
        statement=bytes(review.statement).decode(),
        assertion=Assertion(
            credential_id=bytes(review.credential_id),
            authenticator_data=bytes(review.authenticator_data),
            client_data_json=bytes(review.client_data_json),
            signature=bytes(review.signature),
        ),
        recorded_at=review.recorded_at,
    )


def _people(people: Iterable[UUID], assessment: Assessment) -> tuple[PersonEvidence, ...]:
    """Activity and roles now; a role without the right on the services is no role here."""
    found = []
    for person in people:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(bool_or(active), false) FROM remediation.entitlement"
                " WHERE person = %s",
                [person],
            )
            (active,) = cursor.fetchone()
        roles = authorize.entitled_roles(person, assessment)
        found.append(PersonEvidence(str(person), bool(active), tuple(sorted(roles))))
    return tuple(found)


def _agent(agent_id: UUID) -> AgentEvidence:
    with connection.cursor() as cursor:
        cursor.execute("SELECT enabled FROM remediation.agent_now WHERE agent_id = %s", [agent_id])
        row = cursor.fetchone()
    return AgentEvidence(str(agent_id), bool(row and row[0]))


def _approved_at(proposal: Proposal) -> datetime:
    approval = (
        Transition.objects.filter(proposal=proposal, to_state="approved").order_by("-id").first()
    )
    return approval.recorded_at if approval else database_now()
