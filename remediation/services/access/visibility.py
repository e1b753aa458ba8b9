"""What a person may see of proposals, incidents and evidence, and what only who sees may do."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from remediation.domain import errors
from remediation.domain.policy import ROLES
from remediation.models import (
    NO_SERVICE,
    AssessmentService,
    Dependency,
    DependencyVersion,
    Incident,
    IncidentEntry,
    Proposal,
    ProposalTarget,
    QueueEntry,
    User,
)
from remediation.services.access.authorize import (
    AUDITOR,
    LEAD,
    SECURITY,
    approver_roles,
    excluded,
    newest,
    roles,
    service_ids,
    slots_of,
)
from remediation.services.access.slots import Rights


def visible_proposals(user: User) -> QuerySet[Proposal]:
    """What a person may see: auditors and leads all; others what touches a service on which they
    hold a right; approvers also what touches no known service."""
    found = roles(user)
    if found & {AUDITOR, LEAD}:
        return Proposal.objects.all()
    mine = service_ids(user.person, "view_service", "review_service") if found else frozenset()
    touched = AssessmentService.objects.filter(assessment__proposal=OuterRef("pk"))
    rule = Q(Exists(touched.filter(service_id__in=mine)))
    if found & set(ROLES):
        rule |= Q(~Exists(touched))
    return Proposal.objects.filter(rule) if found else Proposal.objects.none()


def may_view(user: User, proposal: Proposal) -> bool:
    return visible_proposals(user).filter(pk=proposal.pk).exists()


def seen_services(rights: Rights) -> list[int] | None:
    """The services whose proposals a person sees, NO_SERVICE among them for approvers; None for
    those who see all. The same rule as `visible_proposals`, as the projections ask it."""
    if rights.roles & {AUDITOR, LEAD}:
        return None
    return sorted(rights.view | {NO_SERVICE}) if rights.roles & set(ROLES) else sorted(rights.view)


def visible_queue(rights: Rights) -> QuerySet[QueueEntry]:
    """The places of what `visible_proposals` lets the person see (a test compares the two)."""
    return places_of(seen_services(rights))


def places_of(seen: Sequence[int] | None) -> QuerySet[QueueEntry]:
    """What touches one of these services; None is everything, none is nothing."""
    if seen is None:
        return QueueEntry.objects.all()
    entries = QueueEntry.objects
    return entries.filter(touched__overlap=list(seen)) if seen else entries.none()


def touches(seen: Sequence[int] | None) -> Q:
    """The same rule, for rows that are at hand already (a test compares the two)."""
    return Q() if seen is None else Q(touched__holds_any=list(seen))


def visible_incidents(user: User) -> QuerySet[Incident]:
    """Incidents of visible proposals; those without a proposal are for approvers and leads."""
    found = roles(user)
    if found & {AUDITOR, LEAD}:
        return Incident.objects.all()
    rule = Q(Exists(visible_proposals(user).filter(incident=OuterRef("pk"))))
    if found & set(ROLES):
        rule |= Q(~Exists(Proposal.objects.filter(incident=OuterRef("pk"))))
    return Incident.objects.filter(rule) if found else Incident.objects.none()


def visible_incident_entries(rights: Rights) -> QuerySet[IncidentEntry]:
    """The places of what `visible_incidents` lets the person see (a test compares the two)."""
    seen = seen_services(rights)
    if seen is None:
        return IncidentEntry.objects.all()
    entries = IncidentEntry.objects
    return entries.filter(touched__overlap=seen) if seen else entries.none()


def may_reveal(user: User, proposal: Proposal) -> bool:
    """Who may look at secrets in evidence: the security role, with the right to review every
    service that uses what the incident is about. No lead, auditor or superuser as such."""
    if not user.is_active or newest(proposal) is None or not may_view(user, proposal):
        return False
    # Of every proposal of the incident: evidence is the incident's, and a proposal on something
    # small beside it must not open what a graver one rests on.
    assessed = AssessmentService.objects.filter(
        assessment__proposal__incident=proposal.incident_id, depth=1
    ).values_list("service_id", flat=True)
    held = approver_roles(user.person)
    needed = {*assessed, *_users_of(proposal.incident)}
    return SECURITY in held and needed <= service_ids(user.person, "review_service")


def _users_of(incident: Incident) -> set[int]:
    """The services that use what the incident and its proposals name, as the inventory says now: a
    proposal may have ended before anybody assessed it."""
    planned = ProposalTarget.objects.filter(proposal__incident=incident).values("locator")
    latest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    edges = Dependency.objects.filter(
        Q(identity__locator=incident.locator) | Q(identity__locator__in=planned)
    ).annotate(present=Subquery(latest.values("present")[:1]))
    return set(edges.filter(present=True).values_list("source_id", flat=True))


def may_close_incidents(user: User, incident: Incident) -> bool:
    """An approver or lead who may see it. The owner of the reporting agent may not make its
    incident vanish."""
    if not roles(user) & {*ROLES, LEAD}:
        return False
    owned = Incident.objects.filter(pk=incident.pk, agent__versions__owner=user.person).exists()
    return not owned and visible_incidents(user).filter(pk=incident.pk).exists()


def may_halt(user: User, proposal: Proposal) -> bool:
    """Halt a run, or propose to undo one: a lead, or an approver who could fill a slot of the
    round; nobody who is excluded from deciding, since undoing gives access back."""
    if not may_view(user, proposal) or str(user.person) in excluded(proposal.pk):
        return False
    assessment = newest(proposal)
    return LEAD in roles(user) or (assessment is not None and bool(slots_of(user, assessment)))


def refuse_to_halt(user: User, proposal: Proposal) -> None:
    """Raises Separation or NotEntitled unless `may_halt`."""
    why = excluded(proposal.pk).get(str(user.person))
    if why:
        raise errors.Separation(*why)
    if not may_halt(user, proposal):
        raise errors.NotEntitled("an approver of this proposal, or a lead")
