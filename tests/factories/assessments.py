"""Assessments with the bodies that the worker would find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from remediation import models as m
from remediation.domain import checks, observation, policy, report
from remediation.domain.events import Event
from remediation.domain.observation import Observation
from remediation.domain.scope import Scope, ScopeService, ScopeTarget
from remediation.domain.states import ProposalState
from tests.factories.logins import WORKER, acting, actor_of, entry
from tests.factories.proposals import load, move


def scope(proposal: m.Proposal) -> Scope:
    """Return the scope by the newest versions: targets and the services that use them directly."""
    targets, services = [], []
    for row in proposal.targets.order_by("step"):
        identity = m.Identity.objects.filter(locator=row.locator).first()
        said = identity.versions.order_by("-id").first() if identity else None
        targets.append(
            ScopeTarget(
                row.locator,
                said is not None,
                identity.kind if identity else "",
                said.environment if said else "",
                said.owner_team if said else "",
            )
        )
        for edge in m.Dependency.objects.filter(identity=identity) if identity else ():
            services.append(_scope_service(edge.source, row.locator))
    unknown = tuple(f"{t.locator} is not in the inventory" for t in targets if not t.known)
    return Scope(tuple(targets), tuple(services), unknown)


def _scope_service(service: m.Service, via: str) -> ScopeService:
    said = service.versions.latest("id")
    return ScopeService(
        id=service.pk,
        name=service.name,
        via=via,
        depth=1,
        environment=said.environment,
        criticality=said.criticality,
        payment_path=said.payment_path,
        external_partner=said.external_partner,
        owner_team=said.owner_team,
    )


def found_state(proposal: m.Proposal, state: str = "on") -> dict[str, Observation | None]:
    """Return an observation of each test target in this state."""
    return {
        row.locator: Observation(True, {"state": state}, {}, simulated=True)
        for row in proposal.targets.all()
    }


def bodies(
    proposal: m.Proposal,
    *,
    slots: Sequence[str] | None = None,
    decide_by: datetime | None = None,
    run_within_s: int | None = None,
) -> dict[str, bytes]:
    """Return an assessment's bodies as the worker would make them; `ruling` may be overridden."""
    plan, seen, reach = load(proposal), found_state(proposal), scope(proposal)
    found = checks.run(
        checks.CheckInput(
            plan=plan,
            diagnosis=report.load_diagnosis(bytes(proposal.diagnosis.body), allow_test=True),
            evidence={
                row.sha256: bytes(m.EvidenceBlob.objects.get(pk=row.sha256).content)
                for row in proposal.incident.evidence.all()
            },
            identity_locators=(proposal.incident.locator,),
            observations=seen,
            known_locators=frozenset(t.locator for t in reach.targets if t.known),
            scope=reach,
            prechecks=dict.fromkeys(range(len(plan.steps)), ""),
        )
    )
    facts = policy.facts(plan, reach, found, seen)
    asked = policy.evaluate(facts)
    asked = replace(
        asked,
        slots=asked.slots if slots is None else tuple(slots),
        owners=asked.owners
        if slots is None
        else tuple(owner for owner in asked.owners if owner.slot in slots),
        run_within_s=asked.run_within_s if run_within_s is None else run_within_s,
    )
    first = proposal.assessments.order_by("round").first()
    ruling = policy.rule(
        asked,
        datetime.now(UTC),
        earlier=policy.Ruling.parse(bytes(first.ruling)) if first else None,
    )
    return {
        "observation": observation.observation_body(seen),
        "pin": observation.pin(plan, seen),
        "scope": reach.body(),
        "checks": checks.body(found),
        "facts": facts.body(),
        "ruling": (replace(ruling, decide_by=decide_by) if decide_by else ruling).body(),
    }


def insert_assessment(
    proposal: m.Proposal, *, login: str = WORKER, round: int | None = None, **said: Any
) -> m.Assessment:
    """Insert the row with its services; `said` are arguments of `bodies`, or bodies."""
    proposal.refresh_from_db()
    ruled = {k: said.pop(k) for k in ("slots", "decide_by", "run_within_s") if k in said}
    found = {**bodies(proposal, **ruled), **said}
    reached = scope(proposal).services
    with acting(login):
        made = m.Assessment.objects.create(
            proposal=proposal,
            round=proposal.round + 1 if round is None else round,
            entry=entry(Event.WORKER_PROPOSAL_ASSESSED, actor_of(login), f"proposal:{proposal.pk}"),
            **found,
        )
        m.AssessmentService.objects.bulk_create(
            m.AssessmentService(assessment=made, service_id=number, depth=1)
            for number in {service.id for service in reached}
        )
    made.refresh_from_db()
    return made


def assess(proposal: m.Proposal, **said: Any) -> m.Assessment:
    """Insert an assessment and the round that it opens, in one transaction."""
    with transaction.atomic():
        made = insert_assessment(proposal, **said)
        move(proposal, ProposalState.IN_REVIEW)
    return made
