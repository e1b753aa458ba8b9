"""Gather the gate evidence: read everything that the gate looks at from current rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from remediation.domain import checks as checks_
from remediation.domain.errors import BadInput
from remediation.domain.gate.evidence import (
    TYPE,
    WAITING,
    AgentEvidence,
    Evidence,
    Excluded,
    PersonEvidence,
    ReversalEvidence,
    WaitEvidence,
    evidence_type,
)
from remediation.domain.gate.incident import IncidentEvidence
from remediation.domain.gate.reviewed import ReviewEvidence
from remediation.domain.gate.signature import Assertion
from remediation.domain.holds import Mode
from remediation.domain.observation import Observation, Pinned, Unobservable
from remediation.domain.plan import Plan
from remediation.domain.policy import Ruling, facts
from remediation.domain.slots import KEY_ROLES
from remediation.domain.states import IncidentState
from remediation.domain.waits import Made
from remediation.models import Assessment, Proposal
from remediation.services.access import authorize
from remediation.services.assessment.scope import scope_of
from remediation.services.review import narrowings
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
# The present state, in one statement and so at one time: each reviewer's activity, roles, and right
# to review those services on which a right can make a role count (direct ones, and those of the
# ruling's owners); the agent, a freeze, the person who proposed, the approval, the incident, the
# clock.
_NOW = """
SELECT (SELECT coalesce(json_agg(json_build_array(p.person, e.active, e.roles, h.services)
                 ORDER BY p.place), '[]')
          FROM unnest(%(people)s::uuid[]) WITH ORDINALITY AS p (person, place)
         CROSS JOIN LATERAL (
           SELECT coalesce(bool_or(x.active), false) AS active,
                  coalesce(array_agg(x.role ORDER BY x.role)
                    FILTER (WHERE x.active AND x.role = ANY (%(roles)s)), '{}') AS roles
             FROM remediation.entitlement x WHERE x.person = p.person) AS e
         CROSS JOIN LATERAL (
           SELECT coalesce(array_agg(DISTINCT v.name ORDER BY v.name), '{}') AS services
             FROM public.remediation_assessmentservice s
             JOIN public.remediation_service v ON v.id = s.service_id
             JOIN remediation.service_right w
               ON w.service_id = s.service_id AND w.codename = 'review_service'
            WHERE w.person = p.person AND s.assessment_id = %(assessment)s
              AND (s.depth = 1 OR v.name = ANY (%(owned)s))) AS h),
       (SELECT n.enabled AND NOT remediation.token_revoked_v1(%(token)s)
          FROM remediation.agent_now n WHERE n.agent_id = %(agent)s),
       (SELECT coalesce(nullif(f.reason, ''), 'frozen') FROM public.remediation_freeze f
         WHERE f.frozen AND f.id = (SELECT max(l.id) FROM public.remediation_freeze l)),
       (SELECT json_build_array(
                 coalesce(bool_or(x.active), false),
                 coalesce(array_agg(x.role ORDER BY x.role)
                   FILTER (WHERE x.active AND x.role = ANY (%(proposers)s)), '{}'))
          FROM remediation.entitlement x WHERE x.person = %(proposer)s),
       (SELECT t.recorded_at FROM public.remediation_transition t
         WHERE t.proposal_id = %(proposal)s AND t.to_state = 'approved' AND t.round = %(round)s
         ORDER BY t.id DESC LIMIT 1),
       (SELECT m.to_state FROM public.remediation_incidenttransition m
         WHERE m.incident_id = %(incident)s ORDER BY m.id DESC LIMIT 1),
       (SELECT m.recorded_at FROM public.remediation_incidenttransition m
         WHERE m.incident_id = %(incident)s AND m.to_state = 'closed' ORDER BY m.id DESC LIMIT 1),
       clock_timestamp()
"""


@dataclass(frozen=True)
class Waited:
    """The waits of a run so far, what its applied steps made and when, and how long it waited."""

    waits: tuple[WaitEvidence, ...] = ()
    made: Made = field(default_factory=lambda: MappingProxyType({}))
    applied_at: Mapping[int, datetime] = field(default_factory=lambda: MappingProxyType({}))
    waited_s: int = 0

    @property
    def people(self) -> list[UUID]:
        """Return the people who answered."""
        return [UUID(one.person) for wait in self.waits for one in wait.answers]


_NEVER = Waited()


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
    waited: Waited = _NEVER,
) -> Evidence:
    """Return what the gate needs about ``step`` of a proposal. Reads only.

    ``observations`` are by locator: this step's target and, before the first step, all targets;
    ``failures`` gives the reasons for those that failed. ``applied`` holds the indices of applied
    steps, ``token`` the lease's token, ``environments`` what the targets file of the worker's host
    says, and ``waited`` what a run did so far that waits.
    """
    recorded = _recorded(proposal)
    scope = scope_of(plan)
    found = checks_.parse(recorded.checks)
    excluded = authorize.excluded(proposal.pk)
    narrowed = narrowings.evidence(proposal)
    own = [UUID(one.person) for one in narrowed if one.proposal == str(proposal.pk)]
    now = _now(proposal, recorded, [*own, *waited.people])
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
        observations=_pinned(observations),
        unobservable=tuple(Unobservable(locator, why) for locator, why in failures.items()),
        step=step,
        applied=applied,
        approved_at=now.approved_at,
        database_now=now.at,
        worker_now=datetime.now(UTC),
        token=token,
        reversal=_reversal(proposal, now.proposer),
        incident=IncidentEvidence(now.incident_state, now.closed_at, proposal.recorded_at),
        narrowings=narrowed,
        planner=now.proposer if proposal.planner else None,
        **_waiting(plan, recorded.ruling, waited),
    )


def _pinned(observations: Mapping[str, Observation | None]) -> tuple[Pinned, ...]:
    """Return what was seen at the targets, without those that could not be observed."""
    return tuple(
        Pinned(locator, seen.exists, seen.state)
        for locator, seen in observations.items()
        if seen is not None
    )


def _waiting(plan: Plan, ruling: bytes, waited: Waited) -> dict[str, Any]:
    """Return the version of the evidence, and the fields that only a run that waits has."""
    mode = Mode(settings.APPROVAL_MODE)
    version = _type(plan, ruling, mode)
    return {"type": version, "mode": mode, **(vars(waited) if version == WAITING else {})}


def _type(plan: Plan, ruling: bytes, mode: Mode) -> str:
    """Return the version of the evidence. A ruling that cannot be read fails step 1."""
    try:
        return evidence_type(plan, Ruling.parse(ruling), mode)
    except BadInput:
        return TYPE


def _reversal(proposal: Proposal, proposer: PersonEvidence) -> ReversalEvidence | None:
    """Compute the reversal of the named run from the record, to compare the plan with."""
    if proposal.reverses is None:
        return None
    back = inverse_plan(proposal.reverses)
    return ReversalEvidence(str(proposal.reverses_id), back.digest if back else "", proposer)


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
    proposer: PersonEvidence
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


def _now(proposal: Proposal, recorded: _Recorded, narrowers: list[UUID]) -> _Now:
    deciding = [*(UUID(review.person) for review in recorded.reviews), *narrowers]
    rows = _rows(
        _NOW,
        {
            "people": list(dict.fromkeys(deciding)),
            "roles": list(KEY_ROLES),
            "assessment": recorded.assessment_id,
            "owned": _owned(recorded.ruling),
            "agent": proposal.agent_id,
            "token": proposal.token_id,
            "proposal": proposal.pk,
            "incident": proposal.incident_id,
            "round": proposal.round,
            "proposer": proposal.planner or proposal.editor,
            "proposers": list(KEY_ROLES),
        },
    )
    people, agent_enabled, frozen, (active, roles), approved_at, incident, closed_at, at = rows[0]
    return _Now(
        people=tuple(
            PersonEvidence(person, stands, tuple(held), tuple(services))
            for person, stands, held, services in people
        ),
        agent_enabled=bool(agent_enabled),
        frozen=frozen or "",
        proposer=PersonEvidence(str(proposal.planner or proposal.editor), active, tuple(roles)),
        approved_at=approved_at or at,
        incident_state=incident or IncidentState.OPEN.value,
        closed_at=closed_at,
        at=at,
    )


def _owned(ruling: bytes) -> list[str]:
    """Return the services of the ruling's owners. A ruling that cannot be read fails step 1."""
    try:
        owners = Ruling.parse(ruling).owners
    except BadInput:
        return []
    return sorted({name for owner in owners for name in owner.services})


def _rows(query: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
