"""Decide what a person may see, and which actions depend on it (reveal, close, halt)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from remediation.domain import errors
from remediation.domain.policy import ROLES
from remediation.models import (
    NO_SERVICE,
    ApproverKey,
    AssessmentService,
    Dependency,
    DependencyVersion,
    Incident,
    IncidentEntry,
    InvitationUse,
    Proposal,
    ProposalTarget,
    QueueEntry,
    User,
)
from remediation.services.access.administered import administered
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

# How long a person whom an administrator invited may not reveal secrets.
NEW = timedelta(days=7)


def visible_proposals(user: User) -> QuerySet[Proposal]:
    """Return the proposals that a person may see.

    Auditors and leads see all. Others see what touches a service on which they hold a right;
    approvers also see what touches no known service.
    """
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
    """Return whether the person may see the proposal."""
    return visible_proposals(user).filter(pk=proposal.pk).exists()


def seen_services(rights: Rights) -> list[int] | None:
    """Return the services whose proposals a person sees; None for a person who sees all.

    Contains NO_SERVICE for approvers. The same rule as `visible_proposals`, in the form that the
    projections need.
    """
    if rights.roles & {AUDITOR, LEAD}:
        return None
    return sorted(rights.view | {NO_SERVICE}) if rights.roles & set(ROLES) else sorted(rights.view)


def visible_queue(rights: Rights) -> QuerySet[QueueEntry]:
    """Return the queue entries of `visible_proposals` (a test compares the two)."""
    return places_of(seen_services(rights))


def places_of(seen: Sequence[int] | None) -> QuerySet[QueueEntry]:
    """Return the queue entries that touch one of these services; all of them for None."""
    if seen is None:
        return QueueEntry.objects.all()
    entries = QueueEntry.objects
    return entries.filter(touched__overlap=list(seen)) if seen else entries.none()


def touches(seen: Sequence[int] | None) -> Q:
    """Return the rule of `places_of` as a filter for rows already read (a test compares them)."""
    return Q() if seen is None else Q(touched__holds_any=list(seen))


def visible_incidents(user: User) -> QuerySet[Incident]:
    """Return the incidents of visible proposals.

    Incidents without a proposal are visible to approvers, leads and auditors.
    """
    found = roles(user)
    if found & {AUDITOR, LEAD}:
        return Incident.objects.all()
    rule = Q(Exists(visible_proposals(user).filter(incident=OuterRef("pk"))))
    if found & set(ROLES):
        rule |= Q(~Exists(Proposal.objects.filter(incident=OuterRef("pk"))))
    return Incident.objects.filter(rule) if found else Incident.objects.none()


def visible_incident_entries(rights: Rights) -> QuerySet[IncidentEntry]:
    """Return the incident entries of `visible_incidents` (a test compares the two)."""
    seen = seen_services(rights)
    if seen is None:
        return IncidentEntry.objects.all()
    entries = IncidentEntry.objects
    return entries.filter(touched__overlap=seen) if seen else entries.none()


def viewers(incident_id: UUID, proposal_id: UUID | None = None) -> frozenset[UUID]:
    """Return who may see the incident, or this proposal of it (a test compares with the above)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.viewers_v1(%s, %s)", [incident_id, proposal_id])
        return frozenset(row[0] for row in cursor.fetchall())


def may_reveal(user: User, proposal: Proposal) -> bool:
    """Return whether the person may reveal secrets in the incident's evidence.

    This needs the security role and the right to review every service that uses an affected
    identity. Being lead, auditor or superuser is not enough. People who administered people in
    the last 7 days may not: they could have given themselves the role.
    """
    if not user.is_active or newest(proposal) is None or not may_view(user, proposal):
        return False
    # All proposals of the incident count, since they share its evidence: a small proposal must not
    # open evidence that belongs to a graver one.
    assessed = AssessmentService.objects.filter(
        assessment__proposal__incident=proposal.incident_id, depth=1
    ).values_list("service_id", flat=True)
    held = approver_roles(user.person)
    needed = {*assessed, *_users_of(proposal.incident)}
    allowed = SECURITY in held and needed <= service_ids(user.person, "review_service")
    return allowed and not _new_by_page(user) and administered(user.person) is None


def _new_by_page(user: User) -> bool:
    """Return whether an administrator invited the person in the last days, unseen by an operator.

    An administrator could make an account for himself, give it a role, invite it, and read secrets
    with it. A key that an operator added to the approvers file was compared with the person.
    """
    now = timezone.now()
    uses = InvitationUse.objects.filter(
        invitation__person=user.person,
        invitation__created_by__startswith="person:",
        recorded_at__gt=now - NEW,
    )
    invited = uses.order_by("-recorded_at").values_list("recorded_at", flat=True).first()
    if invited is None:
        return False
    # A key from before the invitation says nothing of who came by it, nor does a removed one.
    rows = ApproverKey.objects.filter(person=user.person).order_by("pk")
    newest = {row.fingerprint: row for row in rows}
    return not any(
        row.recorded_at > invited and (row.until is None or row.until > now)
        for row in newest.values()
    )


def _users_of(incident: Incident) -> set[int]:
    """Return the services that use an identity of the incident or of its proposals now.

    Read from the inventory, since a proposal may end before it is assessed.
    """
    planned = ProposalTarget.objects.filter(proposal__incident=incident).values("locator")
    latest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    edges = Dependency.objects.filter(
        Q(identity__locator=incident.locator) | Q(identity__locator__in=planned)
    ).annotate(present=Subquery(latest.values("present")[:1]))
    return set(edges.filter(present=True).values_list("source_id", flat=True))


def may_close_incidents(user: User, incident: Incident) -> bool:
    """Return whether the person may close the incident: an approver or lead who may see it.

    Owners of the reporting agent, present or past, may not.
    """
    if not roles(user) & {*ROLES, LEAD}:
        return False
    owned = Incident.objects.filter(pk=incident.pk, agent__versions__owner=user.person).exists()
    return not owned and visible_incidents(user).filter(pk=incident.pk).exists()


def refuse_to_confirm(user: User, incident: Incident) -> None:
    """Refuse a person who may not ask for looks at an incident's identity, or confirm one.

    Approvers and leads may who see the incident and took no part in its report or its proposals.
    Raises NotEntitled, Separation.
    """
    if not roles(user) & {*ROLES, LEAD}:
        raise errors.NotEntitled("only approvers and leads")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT why FROM remediation.incident_excluded_v1(%s, %s) AS x (why) ORDER BY why",
            [incident.pk, user.person],
        )
        why = [row[0] for row in cursor.fetchall()]
    if why:
        raise errors.Separation(*why)
    if not visible_incidents(user).filter(pk=incident.pk).exists():
        raise errors.NoSuchObject()


def may_halt(user: User, proposal: Proposal) -> bool:
    """Return whether the person may halt a run or propose its reversal.

    A lead may, and an approver whose role fits a slot of the round. People who are excluded from
    deciding may not, since a rollback or reversal gives access back.
    """
    if not may_view(user, proposal) or str(user.person) in excluded(proposal.pk):
        return False
    assessment = newest(proposal)
    return LEAD in roles(user) or (assessment is not None and bool(slots_of(user, assessment)))


def refuse_to_halt(user: User, proposal: Proposal) -> None:
    """Refuse a person who may not halt (`may_halt`). Raises Separation, NotEntitled."""
    why = excluded(proposal.pk).get(str(user.person))
    if why:
        raise errors.Separation(*why)
    if not may_halt(user, proposal):
        raise errors.NotEntitled("only approvers of this proposal and leads")
