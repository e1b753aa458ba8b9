"""Assess a proposal: record what the worker finds and open a new round, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit import log
from remediation.domain import checks, observation, policy
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import WrongState
from remediation.domain.events import Event
from remediation.domain.narrowing import Judged
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.domain.policy import Ruling
from remediation.domain.report import load_diagnosis
from remediation.domain.scope import Scope
from remediation.domain.states import ProposalState
from remediation.executors.base import GONE
from remediation.models import (
    Assessment,
    AssessmentService,
    Proposal,
)
from remediation.services import host_files, lines, transition
from remediation.services.access import looks
from remediation.services.actors import Actor
from remediation.services.assessment import context, narrowed, seen_again, undecidable
from remediation.services.assessment.observe import Seen, observe
from remediation.services.assessment.precheck import prechecks
from remediation.services.assessment.scope import scope_of
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.load_plan import load_plan
from remediation.services.outbox import notify_proposal

ASSESSABLE = (ProposalState.SUBMITTED, ProposalState.IN_REVIEW, ProposalState.APPROVED)


@dataclass(frozen=True)
class Findings:
    """What an assessment found about a proposal."""

    plan: Plan
    seen: Seen
    scope: Scope
    checks: tuple[checks.Check, ...]
    facts: policy.Facts


def asked_for(proposal: Proposal) -> bool:
    """Return whether an assessment is due: for a submission, or at a person's request this round.

    Each is answered once, so a repeated message finds nothing to do (docs/attacks.md A41).
    """
    if proposal.state == ProposalState.SUBMITTED:
        return True
    return proposal.state == ProposalState.IN_REVIEW and looks.is_asked(proposal)


def assess(proposal_id: UUID, *, actor: Actor, reason: str = "") -> Assessment | None:
    """Observe the targets, run the checks, rule, and open the next round; None when none is due.

    Where all that people sign is as it was, the round goes on with its approvals, and its
    assessment is returned.

    With ``reason``, such as a refusal of the gate, the proposal is assessed again from every
    state in ASSESSABLE. The observation runs before the transaction: a crash between them leaves
    nothing, and the sweeper sends the message again. Raises WrongState when the proposal moved.
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
        # An equal look of another worker keeps state and round, and has answered.
        if not (reason or asked_for(proposal)):
            raise WrongState("another worker looked meanwhile")
        made = _record(actor, proposal, find(proposal, plan, seen), reason)
        if made.round != proposal.round:
            undecidable.tell_if_undecidable(proposal, made)
            notify_proposal.round_opened(proposal, made.round)
        lines.say(
            lines.Line.RULED,
            proposal=proposal_id,
            incident=proposal.incident_id,
            round=made.round,
            risk=Ruling.parse(bytes(made.ruling)).risk,
            entry=made.entry,
        )
    return made


def find(proposal: Proposal, plan: Plan, seen: Seen) -> Findings:
    """Return scope, checks and policy facts as of now; writes nothing."""
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
            prechecks=prechecks(plan, seen.observations),
            detected_at=proposal.incident.detected_at,
            assessed_at=database_now(),
            unread=evidence.unread,
        )
    )
    facts = policy.facts(plan, scope, found, seen.observations).at_least(
        host_files.environments(plan)
    )
    return Findings(plan, seen, scope, found, facts)


def _record(actor: Actor, proposal: Proposal, found: Findings, reason: str) -> Assessment:
    # The earliest deadline so far; a new one is never later (a guard enforces this too).
    soonest = proposal.assessments.order_by("decide_by").first()
    earlier = Ruling.parse(bytes(soonest.ruling)) if soonest else None
    mode = policy.Mode(settings.APPROVAL_MODE)
    asked = policy.evaluate(found.facts, plan=found.plan, mode=mode)
    ruling = policy.rule(asked, database_now(), earlier=earlier)
    pin = observation.pin(found.plan, _pinnable(found.seen.observations))
    if not reason and (kept := seen_again.kept(actor, proposal, _bodies(found, ruling, pin))):
        return kept
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


def _bodies(found: Findings, ruling: Ruling, pin: bytes) -> seen_again.Bodies:
    return seen_again.Bodies(
        pin=pin,
        scope=found.scope.body(),
        checks=checks.body(found.checks),
        facts=found.facts.body(),
        ruling=ruling.body(),
        observation=observation.observation_body(found.seen.observations),
    )


def _insert(
    actor: Actor, proposal: Proposal, found: Findings, ruling: Ruling, pin: bytes
) -> Assessment:
    judged = Judged(
        plan=found.plan,
        diagnosis=proposal.diagnosis.digest,
        scope=found.scope,
        checks=found.checks,
        ruling=ruling,
        pinned=observation.parse_pin(pin),
    )
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
            narrowing_counts=narrowed.counts(proposal, judged),
            entry=entry.id,
        )
    nearest = {s.id: s.depth for s in sorted(found.scope.services, key=lambda s: -s.depth)}
    AssessmentService.objects.bulk_create(
        AssessmentService(assessment=made, service_id=service_id, depth=depth)
        for service_id, depth in nearest.items()
    )
    made.refresh_from_db()
    return made


def _pinnable(observations: Mapping[str, Observation | None]) -> dict[str, Observation | None]:
    """Replace failed observations by "absent", so that the gate never finds them unchanged."""
    return {locator: seen or GONE for locator, seen in observations.items()}
