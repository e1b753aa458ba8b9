"""Gather the gate evidence: read everything that the gate looks at from current rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from remediation.domain import checks as checks_
from remediation.domain.gate.evidence import (
    AgentEvidence,
    Evidence,
    Excluded,
    IncidentEvidence,
    PersonEvidence,
    ReversalEvidence,
    ReviewEvidence,
    Unobservable,
)
from remediation.domain.gate.signature import Assertion
from remediation.domain.observation import Observation, Pinned
from remediation.domain.plan import Plan
from remediation.domain.policy import ROLES, facts
from remediation.domain.slots import KEY_ROLES
from remediation.domain.states import IncidentState
from remediation.models import Assessment, Proposal
from remediation.services.access import authorize
from remediation.services.assessment.scope import scope_of
from remediation.services.review.reversal import inverse_plan

# The round's assessment and reviews: facts that no longer change. One row per review.
_RECORDED = """
SELECT a.id, a.scope, a.checks, a.ruling, a.pin,
       r.person, r.slot, r.statement, r.recorded_at,
       r.credential_id, r.authenticator_data, r.client_data_json, r.signature
  FROM public.remediation_assessment a
  LEFT JOIN public.remediation_review r ON r.proposal_id = a.proposal_id AND r.round = a.round
 WHERE a.proposal_id = %s AND a.round = %s
 ORDER BY r.id
"""
# The present state, in one statement and so at one time: each reviewer's activity and roles (no
# roles without the right `review` on every direct service, as in `authorize.entitled_roles`), the
# agent, a freeze, the plan's editor, the approval, the incident, the clock.
_NOW = """
SELECT (SELECT coalesce(json_agg(json_build_array(
                 p.person, e.active, CASE WHEN e.entitled THEN e.roles ELSE '{}' END)
                 ORDER BY p.place), '[]')
          FROM unnest(%(people)s::uuid[]) WITH ORDINALITY AS p (person, place)
         CROSS JOIN LATERAL (
           SELECT coalesce(bool_or(x.active), false) AS active,
                  coalesce(array_agg(x.role ORDER BY x.role)
                    FILTER (WHERE x.active AND x.role = ANY (%(roles)s)), '{}') AS roles,
                  NOT EXISTS (
                    SELECT s.service_id FROM public.remediation_assessmentservice s
                     WHERE s.assessment_id = %(assessment)s AND s.depth = 1
                    EXCEPT
                    SELECT w.service_id FROM remediation.service_right w
                     WHERE w.person = p.person AND w.codename = 'review_service') AS entitled
             FROM remediation.entitlement x WHERE x.person = p.person) AS e),
       (SELECT n.enabled AND NOT remediation.token_revoked_v1(%(token)s)
          FROM remediation.agent_now n WHERE n.agent_id = %(agent)s),
       (SELECT coalesce(nullif(f.reason, ''), 'frozen') FROM public.remediation_freeze f
         WHERE f.frozen AND f.id = (SELECT max(l.id) FROM public.remediation_freeze l)),
       (SELECT json_build_array(
                 coalesce(bool_or(x.active), false),
                 coalesce(array_agg(x.role ORDER BY x.role)
                   FILTER (WHERE x.active AND x.role = ANY (%(proposers)s)), '{}'))
          FROM remediation.entitlement x WHERE x.person = %(editor)s),
       (SELECT t.recorded_at FROM public.remediation_transition t
         WHERE t.proposal_id = %(proposal)s AND t.to_state = 'approved' AND t.round = %(round)s
         ORDER BY t.id DESC LIMIT 1),
       (SELECT m.to_state FROM public.remediation_incidenttransition m
         WHERE m.incident_id = %(incident)s ORDER BY m.id DESC LIMIT 1),
       (SELECT m.recorded_at FROM public.remediation_incidenttransition m
         WHERE m.incident_id = %(incident)s AND m.to_state = 'closed' ORDER BY m.id DESC LIMIT 1),
       clock_timestamp()
"""


def gather(
    proposal: Proposal,
    plan: Plan,
    *,
    observations: Mapping[str, Observation | None],
    failures: Mapping[str, str],
    step: int = 0,
    applied: tuple[int, ...] = (),
    token: int = 0,
    environments: tuple[str, ...] = (),
) -> Evidence:
    """Return what the gate needs about ``step`` of a proposal. Reads only.

    ``observations`` are by locator: this step's target and, before the first step, all targets;
    ``failures`` gives the reasons for those that failed. ``applied`` holds the indices of applied
    steps, ``token`` the lease's token, and ``environments`` what the targets file of the worker's
    host says.
    """
    recorded = _recorded(proposal)
    scope = scope_of(plan)
    found = checks_.parse(recorded.checks)
    excluded = authorize.excluded(proposal.pk)
    now = _now(proposal, recorded)
    return Evidence(
        proposal_id=str(proposal.pk),
        round=proposal.round,
        plan=bytes(proposal.plan).decode(),
        diagnosis=bytes(proposal.diagnosis.body).decode(),
        scope=recorded.scope.decode(),
        checks=recorded.checks.decode(),
        ruling=recorded.ruling.decode(),
        pin=recorded.pin.decode(),
        # Without the observations: step 6 reports what cannot be observed now. It must not appear
        # as a stricter ruling.
        facts=facts(plan, scope, found, {}).at_least(environments),
        reviews=recorded.reviews,
        people=now.people,
        excluded=tuple(Excluded(one, why) for one, reasons in excluded.items() for why in reasons),
        agent=AgentEvidence(str(proposal.agent_id), now.agent_enabled),
        frozen=now.frozen,
        observations=tuple(
            Pinned(locator, seen.exists, seen.state)
            for locator, seen in observations.items()
            if seen is not None
        ),
        unobservable=tuple(Unobservable(locator, why) for locator, why in failures.items()),
        step=step,
        applied=applied,
        approved_at=now.approved_at,
        database_now=now.at,
        worker_now=datetime.now(UTC),
        token=token,
        reversal=_reversal(proposal, now.editor),
        incident=IncidentEvidence(now.incident_state, now.closed_at, proposal.recorded_at),
    )


def _reversal(proposal: Proposal, editor: PersonEvidence) -> ReversalEvidence | None:
    """Compute the reversal of the named run from the record, to compare the plan with."""
    if proposal.reverses is None:
        return None
    back = inverse_plan(proposal.reverses)
    return ReversalEvidence(str(proposal.reverses_id), back.digest if back else "", editor)


@dataclass(frozen=True)
class _Recorded:
    """The round's assessment and its reviews, oldest first."""

    assessment_id: int
    scope: bytes
    checks: bytes
    ruling: bytes
    pin: bytes
    reviews: tuple[ReviewEvidence, ...]


@dataclass(frozen=True)
class _Now:
    """The present values of what may have changed since the assessment."""

    people: tuple[PersonEvidence, ...]
    agent_enabled: bool
    frozen: str
    editor: PersonEvidence
    approved_at: datetime
    incident_state: str
    closed_at: datetime | None
    at: datetime


def _recorded(proposal: Proposal) -> _Recorded:
    rows = _rows(_RECORDED, [proposal.pk, proposal.round])
    if not rows:
        raise Assessment.DoesNotExist
    assessment_id, scope, checks, ruling, pin = rows[0][:5]
    reviews = tuple(_review(*row[5:]) for row in rows if row[5] is not None)
    return _Recorded(assessment_id, bytes(scope), bytes(checks), bytes(ruling), bytes(pin), reviews)


def _review(
    person: UUID, slot: str, statement: bytes, recorded_at: datetime, *assertion: bytes
) -> ReviewEvidence:
    return ReviewEvidence(
        person=str(person),
        slot=slot,
        statement=bytes(statement).decode(),
        assertion=Assertion(*(bytes(part) for part in assertion)),
        recorded_at=recorded_at,
    )


def _now(proposal: Proposal, recorded: _Recorded) -> _Now:
    rows = _rows(
        _NOW,
        {
            "people": [review.person for review in recorded.reviews],
            "roles": list(ROLES),
            "assessment": recorded.assessment_id,
            "agent": proposal.agent_id,
            "token": proposal.token_id,
            "proposal": proposal.pk,
            "incident": proposal.incident_id,
            "round": proposal.round,
            "editor": proposal.editor,
            "proposers": list(KEY_ROLES),
        },
    )
    people, agent_enabled, frozen, (active, roles), approved_at, incident, closed_at, at = rows[0]
    return _Now(
        people=tuple(
            PersonEvidence(person, stands, tuple(held)) for person, stands, held in people
        ),
        agent_enabled=bool(agent_enabled),
        frozen=frozen or "",
        editor=PersonEvidence(str(proposal.editor), active, tuple(roles)),
        approved_at=approved_at or at,
        incident_state=incident or IncidentState.OPEN.value,
        closed_at=closed_at,
        at=at,
    )


def _rows(query: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
