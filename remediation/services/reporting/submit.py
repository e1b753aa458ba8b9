"""An agent's report becomes incident, evidence, diagnosis and proposal; one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import connection

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.plan import Plan
from remediation.domain.report import Report
from remediation.domain.secrets import covering
from remediation.domain.states import ProposalState
from remediation.models import (
    Diagnosis,
    Evidence,
    EvidenceBlob,
    Incident,
    IncidentReport,
    Proposal,
    ProposalTarget,
)
from remediation.services import transition
from remediation.services.actors import AgentActor, PersonActor
from remediation.services.guards import translated
from remediation.services.reporting import secrets

# States in which a proposal still counts; an identical plan beside it would only split attention.
ALIVE = (
    ProposalState.SUBMITTED,
    ProposalState.IN_REVIEW,
    ProposalState.APPROVED,
    ProposalState.EXECUTING,
    ProposalState.UNKNOWN,
)
# What an agent or a person may still end.
ENDABLE = (ProposalState.SUBMITTED, ProposalState.IN_REVIEW, ProposalState.APPROVED)


@dataclass(frozen=True)
class Submitted:
    """What a report led to. ``proposal_id`` is None when the report proposes nothing."""

    incident_id: UUID
    proposal_id: UUID | None
    diagnosis_version: int
    diagnosis_digest: str
    incident_is_new: bool
    evidence_new: int
    secrets_found: int


def report(report: Report, *, actor: AgentActor) -> Submitted:
    """Record a report; the same incident raised again is added to, not doubled.

    A secret that a text of it quotes is covered before anything is kept, since only the bytes of
    artefacts can be erased (A61). Runs in the caller's transaction: either all of it is on record
    or nothing. Raises AgentDisabled when the agent or its token has ended meanwhile.
    """
    spared = secrets.spared(covering.targets_of(report))
    covered = covering.report_covered(report, spared)
    report = covered.report
    _serialise(report)
    incident = _same_incident(report, actor)
    is_new = incident is None
    if incident is not None:
        covered = covering.known_covered(covered, secrets.known_values(incident) - spared)
        report = covered.report
    else:
        incident = _open_incident(report, actor)
    entry = log.append(
        action=Event.AGENT_REPORT_SUBMITTED,
        actor=actor.ref,
        object=f"incident:{incident.pk}",
        data={
            "token": str(actor.token_id),
            "diagnosis": report.diagnosis.digest,
            "evidence": [artefact.sha256 for artefact in report.evidence],
        },
    )
    IncidentReport.objects.create(incident=incident, agent_id=actor.agent_id, entry=entry.id)
    added = _add_evidence(incident, covered, actor, entry.id)
    diagnosis = _add_diagnosis(incident, report, actor, entry.id)
    proposal_id = None
    if report.plan is not None:
        proposal_id = _propose(incident, diagnosis, report, actor)
    return Submitted(
        incident.pk,
        proposal_id,
        diagnosis.version,
        report.diagnosis.digest,
        is_new,
        added,
        sum(len(found.secrets) for found in covered.found.values()),
    )


def withdraw(*, actor: AgentActor | PersonActor, proposal_id: UUID, reason: str) -> None:
    """End a proposal that is not running. Raises NoSuchObject, WrongState."""
    proposal = _owned(actor, proposal_id)
    is_agent = isinstance(actor, AgentActor)
    event = Event.AGENT_PROPOSAL_WITHDRAWN if is_agent else Event.PERSON_PROPOSAL_WITHDRAWN
    _end(actor, event, proposal, ProposalState.WITHDRAWN, reason)


def supersede(
    *,
    actor: AgentActor | PersonActor,
    proposal_id: UUID,
    plan: Plan,
    rationale: str,
    reason: str,
    diagnosis: Diagnosis | None = None,
) -> UUID:
    """Replace a proposal by one with another plan; an edit is never made in place.

    Reviews of the old one stay on record and count nothing; a person who edits is recorded as
    editor and cannot decide on the new one (promise 4). It rests on ``diagnosis``, or on the old
    one's. Returns the new proposal's id. Raises NoSuchObject, WrongState, AgentDisabled.
    """
    old = _owned(actor, proposal_id)
    is_agent = isinstance(actor, AgentActor)
    event = Event.AGENT_PROPOSAL_SUPERSEDED if is_agent else Event.PERSON_PROPOSAL_SUPERSEDED
    _end(actor, event, old, ProposalState.SUPERSEDED, reason)
    return _insert(
        actor=actor,
        incident=old.incident,
        diagnosis=diagnosis or old.diagnosis,
        plan=plan,
        rationale=covering.covered(rationale, secrets.known_values(old.incident)),
        token_id=actor.token_id if isinstance(actor, AgentActor) else old.token_id,
        agent_id=old.agent_id,
        supersedes=old,
    )


def propose_to_undo(*, actor: PersonActor, old: Proposal, plan: Plan, rationale: str) -> UUID:
    """A plan of a person that undoes a run, beside the proposal of that run, which has ended.

    The person is recorded as its editor and cannot decide on it (promise 4); agent and token are
    those of the proposal that it undoes, and so are those whom they keep from deciding. Whether
    that agent may act is not asked. Returns its id.
    """
    return _insert(
        actor=actor,
        incident=old.incident,
        diagnosis=old.diagnosis,
        plan=plan,
        rationale=covering.covered(rationale, secrets.known_values(old.incident)),
        token_id=old.token_id,
        agent_id=old.agent_id,
        supersedes=None,
        reverses=old,
    )


def _serialise(report: Report) -> None:
    """Two reports of one incident at once: the second waits and then finds the first's."""
    key = f"incident:{report.incident.kind}:{report.incident.identity.locator}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def _same_incident(report: Report, actor: AgentActor) -> Incident | None:
    told = report.incident
    alive = Incident.objects.filter(transitions__isnull=True)
    if told.external_id:
        found = alive.filter(agent_id=actor.agent_id, external_id=told.external_id).first()
        if found is not None:
            return found
    return (
        alive.filter(kind=told.kind, locator=told.identity.locator).order_by("recorded_at").first()
    )


def _open_incident(report: Report, actor: AgentActor) -> Incident:
    told, incident_id = report.incident, uuid4()
    ended = Incident.objects.filter(kind=told.kind, locator=told.identity.locator)
    entry = log.append(
        action=Event.AGENT_INCIDENT_OPENED,
        actor=actor.ref,
        object=f"incident:{incident_id}",
        data={"kind": told.kind, "title": told.title, "identity": told.identity.locator},
    )
    return Incident.objects.create(
        id=incident_id,
        kind=told.kind,
        title=told.title,
        locator=told.identity.locator,
        external_id=told.external_id,
        detected_at=told.detected_at,
        agent_id=actor.agent_id,
        earlier=ended.order_by("-recorded_at").first(),
        entry=entry.id,
    )


def _add_evidence(
    incident: Incident, covered: covering.Covered, actor: AgentActor, entry: int
) -> int:
    artefacts = covered.report.evidence
    had = set(incident.evidence.values_list("sha256", flat=True))
    new = [artefact for artefact in artefacts if artefact.sha256 not in had]
    EvidenceBlob.objects.bulk_create(
        [EvidenceBlob(sha256=a.sha256, content=a.content) for a in new], ignore_conflicts=True
    )
    for artefact in new:
        row = Evidence.objects.create(
            incident=incident,
            sha256=artefact.sha256,
            size=len(artefact.content),
            source=artefact.source,
            media_type=artefact.media_type,
            collected_at=artefact.collected_at,
            attacker_writable=artefact.attacker_writable,
            agent_id=actor.agent_id,
            entry=entry,
        )
        secrets.record(row, covered.found[artefact.sha256])
    return len(new)


def _add_diagnosis(incident: Incident, report: Report, actor: AgentActor, entry: int) -> Diagnosis:
    newest = incident.diagnoses.order_by("-version").first()
    # Not a person's, though it says the same: whoever corrected it may not decide on it.
    if newest and newest.digest == report.diagnosis.digest and newest.editor is None:
        return newest
    return Diagnosis.objects.create(
        incident=incident,
        version=newest.version + 1 if newest else 1,
        body=report.diagnosis.body,
        digest=report.diagnosis.digest,
        agent_id=actor.agent_id,
        entry=entry,
    )


def _propose(incident: Incident, diagnosis: Diagnosis, report: Report, actor: AgentActor) -> UUID:
    assert report.plan is not None
    # Of this agent: another one's proposal is not its to see, to withdraw or to supersede.
    mine = incident.proposals.filter(
        agent_id=actor.agent_id, reverses__isnull=True, state__in=ALIVE
    )
    same = mine.filter(plan_digest=report.plan.digest).first()
    if same is not None:
        return same.pk
    return _insert(
        actor=actor,
        incident=incident,
        diagnosis=diagnosis,
        plan=report.plan,
        rationale=report.rationale,
        token_id=actor.token_id,
        agent_id=actor.agent_id,
        supersedes=None,
    )


def _insert(
    *,
    actor: AgentActor | PersonActor,
    incident: Incident,
    diagnosis: Diagnosis,
    plan: Plan,
    rationale: str,
    token_id: UUID,
    agent_id: UUID,
    supersedes: Proposal | None,
    reverses: Proposal | None = None,
) -> UUID:
    proposal_id = uuid4()
    entry = log.append(
        action=Event.AGENT_PROPOSAL_SUBMITTED,
        actor=actor.ref,
        object=f"proposal:{proposal_id}",
        data={
            "incident": str(incident.pk),
            "plan": plan.digest,
            "diagnosis": diagnosis.digest,
            "token": str(token_id),
            "supersedes": str(supersedes.pk) if supersedes else None,
            **({"reverses": str(reverses.pk)} if reverses else {}),
        },
    )
    with translated():
        Proposal.objects.create(
            id=proposal_id,
            incident=incident,
            diagnosis=diagnosis,
            plan=plan.body,
            plan_digest=plan.digest,
            rationale=rationale,
            agent_id=agent_id,
            token_id=token_id,
            editor=actor.person if isinstance(actor, PersonActor) else None,
            supersedes=supersedes,
            reverses=reverses,
            entry=entry.id,
        )
    ProposalTarget.objects.bulk_create(
        ProposalTarget(proposal_id=proposal_id, step=step.index, locator=step.target.locator)
        for step in plan.steps
    )
    return proposal_id


def _owned(actor: AgentActor | PersonActor, proposal_id: UUID) -> Proposal:
    transition.lock(proposal_id)
    mine = Proposal.objects.select_related("incident", "diagnosis")
    if isinstance(actor, AgentActor):
        # Not a person's undoing of what it did: that is not its to end.
        mine = mine.filter(agent_id=actor.agent_id, reverses__isnull=True)
    proposal = mine.filter(pk=proposal_id).first()
    if proposal is None:
        raise errors.NoSuchObject()
    return proposal


def _end(
    actor: AgentActor | PersonActor,
    event: Event,
    proposal: Proposal,
    target: ProposalState,
    reason: str,
) -> None:
    state = ProposalState(proposal.state)
    if state not in ENDABLE:
        raise errors.WrongState(f"the proposal is {state}")
    transition.move(
        actor=actor,
        event=event,
        proposal_id=proposal.pk,
        source=state,
        target=target,
        reason=covering.covered(reason, secrets.known_values(proposal.incident)),
    )
