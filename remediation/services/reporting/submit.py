"""Record an agent's report as incident, evidence, diagnosis and proposal, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import QuerySet

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.report import Alternative, Report
from remediation.domain.secrets import masking
from remediation.models import (
    Choice,
    Diagnosis,
    Evidence,
    EvidenceBlob,
    Incident,
    IncidentReport,
    Proposal,
)
from remediation.services.actors import AgentActor
from remediation.services.reporting import own_words, propose, secrets
from remediation.services.reporting.prepare import Prepared, prepare, same_incident, state_of


@dataclass(frozen=True)
class Submitted:
    """The objects that a report created or added to.

    ``proposal_id`` is None without a plan, and for alternatives: these are ``alternatives``, in the
    report's order.
    """

    incident_id: UUID
    proposal_id: UUID | None
    diagnosis_version: int
    incident_is_new: bool
    told: own_words.Told
    alternatives: tuple[UUID, ...] = ()


class Outdated(Exception):
    """Somebody added evidence to the incident, or ended it, after the report was prepared."""


def report(
    report: Report, *, actor: AgentActor, prepared: Prepared | None = None, last: bool = True
) -> Submitted:
    """Record a report in the caller's transaction; add to the incident if it is already open.

    Secrets that its texts quote are masked before anything is stored, since only the bytes of
    artefacts can be erased later (A61). Give what `prepare` made before the transaction; if it is
    outdated, it is made again here under the lock, or, unless this is the ``last`` trial, raises
    Outdated. Raises AgentDisabled when the agent is disabled or its token is revoked meanwhile.
    """
    _serialise(report)
    prepared = prepared or prepare(report, actor.agent_id)
    incident = same_incident(report, prepared.external_id, actor.agent_id)
    if state_of(incident) != prepared.seen:
        if not last:
            raise Outdated
        again = prepared.again
        prepared = again() if again else prepare(report, actor.agent_id)
    masked = prepared.masked
    report = masked.report
    is_new = incident is None
    incident = incident or _open_incident(report, actor)
    told = own_words.told(incident, prepared.own, actor.agent_id)
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
    _add_evidence(incident, masked, actor, entry.id)
    diagnosis = _add_diagnosis(incident, report, actor, entry.id)
    proposal_id = None
    if report.plan is not None:
        proposal_id = _propose(incident, diagnosis, report, actor)
    offered = _offer(incident, diagnosis, report.alternatives, actor, entry.id)
    return Submitted(incident.pk, proposal_id, diagnosis.version, is_new, told, offered)


def _serialise(report: Report) -> None:
    """Lock the incident's kind and identity: a concurrent report waits and then finds this one."""
    key = f"incident:{report.incident.kind}:{report.incident.identity.locator}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def _open_incident(report: Report, actor: AgentActor) -> Incident:
    reported, incident_id = report.incident, uuid4()
    ended = Incident.objects.filter(kind=reported.kind, locator=reported.identity.locator)
    entry = log.append(
        action=Event.AGENT_INCIDENT_OPENED,
        actor=actor.ref,
        object=f"incident:{incident_id}",
        data={
            "kind": reported.kind,
            "title": reported.title,
            "identity": reported.identity.locator,
        },
    )
    return Incident.objects.create(
        id=incident_id,
        kind=reported.kind,
        title=reported.title,
        locator=reported.identity.locator,
        external_id=reported.external_id,
        detected_at=reported.detected_at,
        agent_id=actor.agent_id,
        earlier=ended.order_by("-recorded_at").first(),
        entry=entry.id,
    )


def _add_evidence(
    incident: Incident, masked: masking.Masked, actor: AgentActor, entry: int
) -> None:
    artefacts = masked.report.evidence
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
        secrets.record(row, masked.found[artefact.sha256])


def _add_diagnosis(incident: Incident, report: Report, actor: AgentActor, entry: int) -> Diagnosis:
    newest = incident.diagnoses.order_by("-version").first()
    # Never reuse a person's version, even with the same content: its editor is excluded.
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
    same = _mine(incident, actor).filter(plan_digest=report.plan.digest).first()
    if same is not None:
        return same.pk
    return propose.insert(
        actor=actor,
        incident=incident,
        diagnosis=diagnosis,
        plan=report.plan,
        rationale=report.rationale,
        token_id=actor.token_id,
        agent_id=actor.agent_id,
        supersedes=None,
    )


def _offer(
    incident: Incident,
    diagnosis: Diagnosis,
    alternatives: tuple[Alternative, ...],
    actor: AgentActor,
    entry: int,
) -> tuple[UUID, ...]:
    """Propose the alternatives of one choice, of which at most one is ever approved.

    The same choice again finds the one that is open. Raises WrongState when only some of the plans
    are proposed already: a proposal cannot join a choice later.
    """
    if not alternatives:
        return ()
    digests = [one.plan.digest for one in alternatives]
    open_ = {one.plan_digest: one for one in _mine(incident, actor).filter(plan_digest__in=digests)}
    choices = {one.choice_id for one in open_.values()}
    if len(open_) == len(digests) and len(choices) == 1 and None not in choices:
        return tuple(open_[digest].pk for digest in digests)
    if open_:
        raise errors.WrongState("a plan of these is proposed already; withdraw that one first")
    choice = Choice.objects.create(incident=incident, agent_id=actor.agent_id, entry=entry)
    return tuple(
        propose.insert(
            actor=actor,
            incident=incident,
            diagnosis=diagnosis,
            plan=one.plan,
            rationale=one.rationale,
            token_id=actor.token_id,
            agent_id=actor.agent_id,
            supersedes=None,
            special=propose.Special(place=propose.Place(choice.pk, number)),
        )
        for number, one in enumerate(alternatives, 1)
    )


def _mine(incident: Incident, actor: AgentActor) -> QuerySet[Proposal]:
    """Return this agent's open proposals: it may not see or end those of other agents or people.

    A person's version counts: proposed anew, its plan would be the agent's, and its editor could
    decide on it (A07).
    """
    return incident.proposals.filter(
        agent_id=actor.agent_id,
        reverses__isnull=True,
        planner__isnull=True,
        state__in=propose.ALIVE,
    )
