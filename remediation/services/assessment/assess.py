"""Assessment: what the worker finds, in one transaction, and the round that it opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import checks, observation, policy
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import WrongState
from remediation.domain.events import Event
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.domain.policy import Ruling
from remediation.domain.report import load_diagnosis
from remediation.domain.scope import Scope
from remediation.domain.states import ProposalState
from remediation.executors import run
from remediation.executors.base import GONE
from remediation.models import (
    Assessment,
    AssessmentService,
    ObservationRequest,
    Proposal,
)
from remediation.services import host_files, transition
from remediation.services.actors import Actor
from remediation.services.assessment import context
from remediation.services.assessment.observe import Seen, observe
from remediation.services.assessment.scope import scope_of
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.outbox import mail
from remediation.services.plans import load_plan

ASSESSABLE = (ProposalState.SUBMITTED, ProposalState.IN_REVIEW, ProposalState.APPROVED)


@dataclass(frozen=True)
class Findings:
    """What goes on record about a proposal."""

    plan: Plan
    seen: Seen
    scope: Scope
    checks: tuple[checks.Check, ...]
    facts: policy.Facts


def asked_for(proposal: Proposal) -> bool:
    """Is there an assessment to make? Once for a submission, once for each person's request of
    the current round: a message that comes twice finds nothing to do (docs/attacks.md A41)."""
    if proposal.state == ProposalState.SUBMITTED:
        return True
    requests = ObservationRequest.objects.filter(proposal=proposal, round=proposal.round)
    return proposal.state == ProposalState.IN_REVIEW and requests.exists()


def assess(proposal_id: UUID, *, actor: Actor, reason: str = "") -> Assessment | None:
    """Observe, find, rule, and open the next round; None when nothing asked for it.

    With ``reason`` (a refusal of the gate, a person's request) the proposal is assessed again
    from any state in which it may be. The observation runs before the transaction: a crash
    between them leaves nothing, and the sweeper asks again.
    """
    proposal = (
        Proposal.objects.filter(pk=proposal_id).select_related("incident", "diagnosis").first()
    )
    if proposal is None or not (reason or asked_for(proposal)):
        return None
    plan = load_plan(bytes(proposal.plan))
    seen = observe(plan.steps, agent_id=proposal.agent_id)
    with transaction.atomic():
        transition.lock(proposal_id)
        state = Proposal.objects.values_list("state", "round").get(pk=proposal_id)
        if state != (proposal.state, proposal.round) or proposal.state not in ASSESSABLE:
            raise WrongState("the proposal moved while its target was observed")
        made = _record(actor, proposal, find(proposal, plan, seen), reason)
        transaction.on_commit(lambda: mail.round_opened(proposal_id), robust=True)
    return made


def find(proposal: Proposal, plan: Plan, seen: Seen) -> Findings:
    """Scope, checks and facts as they are now."""
    scope = scope_of(plan)
    diagnosis = load_diagnosis(bytes(proposal.diagnosis.body), allow_test=True)
    evidence = context.artefacts(proposal, diagnosis)
    found = checks.run(
        checks.CheckInput(
            plan=plan,
            diagnosis=diagnosis,
            evidence=evidence.content,
            identity_locators=(proposal.incident.locator,),
            observations=seen.observations,
            known_locators=frozenset(t.locator for t in scope.targets if t.known),
            scope=scope,
            earlier_rejections=context.rejections(proposal, plan),
            title=proposal.incident.title,
            rationale=proposal.rationale,
            attacker_writable=evidence.attacker_writable,
            neighbours=context.neighbours(plan),
            open_proposals=context.open_proposals(proposal, plan),
            protected=context.protected(plan),
            prechecks=_prechecks(plan, seen.observations),
            detected_at=proposal.incident.detected_at,
            assessed_at=database_now(),
        )
    )
    facts = policy.facts(plan, scope, found, seen.observations).at_least(
        host_files.environments(plan)
    )
    return Findings(plan, seen, scope, found, facts)


def _record(actor: Actor, proposal: Proposal, found: Findings, reason: str) -> Assessment:
    # The earliest deadline so far: it may only come earlier (the guard asks the same).
    soonest = proposal.assessments.order_by("decide_by").first()
    earlier = Ruling.parse(bytes(soonest.ruling)) if soonest else None
    ruling = policy.rule(policy.evaluate(found.facts), database_now(), earlier=earlier)
    pin = observation.pin(found.plan, _pinnable(found.seen.observations))
    made = _insert(actor, proposal, found, ruling, pin)
    source = ProposalState(proposal.state)
    first_time = source is ProposalState.SUBMITTED
    transition.move(
        actor=actor,
        event=Event.WORKER_PROPOSAL_ASSESSED if first_time else Event.WORKER_PROPOSAL_REASSESSED,
        proposal_id=proposal.pk,
        source=source,
        target=ProposalState.IN_REVIEW,
        reason=reason,
        data={"round": made.round, "pin": made.pin_digest, "ruling": made.ruling_digest},
    )
    return made


def _insert(
    actor: Actor, proposal: Proposal, found: Findings, ruling: Ruling, pin: bytes
) -> Assessment:
    scope_body, checks_body = found.scope.body(), checks.body(found.checks)
    seen_body, facts_body = (
        observation.observation_body(found.seen.observations),
        found.facts.body(),
    )
    entry = log.append(
        action=Event.WORKER_PROPOSAL_ASSESSED,
        actor=actor.ref,
        object=f"proposal:{proposal.pk}",
        data={
            "round": proposal.round + 1,
            "pin": observation.pin_digest(pin),
            "scope": found.scope.digest,
            "checks": checks.checks_digest(checks_body),
            "ruling": ruling.digest,
            "observation": digest(Kind.OBSERVATION, seen_body),
            "facts": sha256(facts_body).hexdigest(),
            "failed": list(found.facts.failed_checks),
        },
    )
    with translated():
        made = Assessment.objects.create(
            proposal=proposal,
            round=proposal.round + 1,
            observation=seen_body,
            pin=pin,
            scope=scope_body,
            checks=checks_body,
            facts=facts_body,
            ruling=ruling.body(),
            entry=entry.id,
        )
    nearest = {s.id: s.depth for s in sorted(found.scope.services, key=lambda s: -s.depth)}
    AssessmentService.objects.bulk_create(
        AssessmentService(assessment=made, service_id=service_id, depth=depth)
        for service_id, depth in nearest.items()
    )
    made.refresh_from_db()
    return made


def _prechecks(plan: Plan, seen: Mapping[str, Observation | None]) -> dict[int, str]:
    """Why a step's executor would refuse it on what was observed; what could not be observed is
    a finding of its own."""
    found = {}
    for step in plan.steps:
        observed = seen.get(step.target.locator)
        if observed is not None and observed.exists:
            found[step.index] = run.would_refuse(step, observed)
    return found


def _pinnable(observations: Mapping[str, Observation | None]) -> dict[str, Observation | None]:
    """What could not be seen is pinned as absent: the gate then never finds it unchanged."""
    return {locator: seen or GONE for locator, seen in observations.items()}
