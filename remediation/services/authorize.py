"""Who may see and decide what: group rows and guardian's object rows, read here.

Never `user.has_perm` or guardian's shortcuts: they say yes to every superuser (attacks.md A13).
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from remediation.domain import errors
from remediation.domain.policy import ANY, ROLES
from remediation.models import (
    Assessment,
    AssessmentService,
    Incident,
    Proposal,
    Review,
    User,
)

AUDITOR, LEAD, SECURITY = "auditor", "lead", "security"


def roles(user: User) -> frozenset[str]:
    """The groups of an active account; none for an inactive one."""
    if not user.is_active:
        return frozenset()
    return frozenset(user.groups.values_list("name", flat=True))


def approver_roles(person: UUID) -> frozenset[str]:
    """The approver roles that an active account holds, by person."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT role FROM remediation.entitlement"
            " WHERE person = %s AND active AND role = ANY(%s)",
            [person, list(ROLES)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def service_ids(person: UUID, *rights: str) -> frozenset[int]:
    """The services on which the person holds one of the rights, by own rows or a group's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT service_id FROM remediation.service_right"
            " WHERE person = %s AND codename = ANY(%s)",
            [person, list(rights)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def excluded(proposal_id: UUID) -> dict[str, str]:
    """People who may not decide this proposal, with the reasons (promise 4)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person, why FROM remediation.excluded_v1(%s)", [proposal_id])
        found: dict[str, str] = {}
        for person, why in cursor.fetchall():
            found[person] = f"{found[person]}; {why}" if person in found else why
    return found


def newest(proposal: Proposal) -> Assessment | None:
    """The assessment of the proposal's round."""
    return Assessment.objects.filter(proposal=proposal, round=proposal.round).first()


def direct_services(assessment: Assessment) -> frozenset[int]:
    return frozenset(assessment.services.filter(depth=1).values_list("service_id", flat=True))


def entitled_roles(person: UUID, assessment: Assessment | None) -> frozenset[str]:
    """The approver roles that count on this proposal: held, with the right `review` on every
    service that uses the target directly. Where the inventory knows no such service the role
    alone counts, and policy asks for two of different roles."""
    held = approver_roles(person)
    if not held or assessment is None:
        return held
    if direct_services(assessment) <= service_ids(person, "review_service"):
        return held
    return frozenset()


def may_review(person: UUID, proposal: Proposal) -> bool:
    return bool(entitled_roles(person, newest(proposal))) and str(person) not in excluded(
        proposal.pk
    )


def open_slots_for(user: User, proposal: Proposal) -> tuple[str, ...]:
    """The slots of the round that this person could fill now; empty when it may not decide."""
    assessment = newest(proposal)
    if assessment is None or proposal.state != "in_review" or not user.is_active:
        return ()
    held = entitled_roles(user.person, assessment)
    taken = Review.objects.filter(proposal=proposal, round=proposal.round)
    if not held or str(user.person) in excluded(proposal.pk) or taken.filter(person=user.person):
        return ()
    free = list(assessment.slots)
    for slot in taken.filter(decision="approve").values_list("slot", flat=True):
        if slot in free:
            free.remove(slot)
    return tuple(dict.fromkeys(slot for slot in free if slot == ANY or slot in held))


def slots_of(user: User, assessment: Assessment) -> tuple[str, ...]:
    """The slots of the ruling whose role the person holds, whether they are taken or not."""
    held = entitled_roles(user.person, assessment)
    return tuple(
        dict.fromkeys(slot for slot in assessment.slots if (held and slot == ANY) or slot in held)
    )


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
        raise errors.Separation(why)
    if not may_halt(user, proposal):
        raise errors.NotEntitled("an approver of this proposal, or a lead")


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


def visible_incidents(user: User) -> QuerySet[Incident]:
    """Incidents of visible proposals; those without a proposal are for approvers and leads."""
    found = roles(user)
    if found & {AUDITOR, LEAD}:
        return Incident.objects.all()
    rule = Q(Exists(visible_proposals(user).filter(incident=OuterRef("pk"))))
    if found & set(ROLES):
        rule |= Q(~Exists(Proposal.objects.filter(incident=OuterRef("pk"))))
    return Incident.objects.filter(rule) if found else Incident.objects.none()


def may_reveal(user: User, proposal: Proposal) -> bool:
    """Who may look at secrets in evidence: the security role, with the right to review every
    service that uses the target. No lead, auditor or superuser as such."""
    held = entitled_roles(user.person, newest(proposal)) if user.is_active else frozenset()
    return SECURITY in held and may_view(user, proposal)


def may_audit(user: User) -> bool:
    return AUDITOR in roles(user)


def may_close_incidents(user: User, incident: Incident) -> bool:
    """An approver or lead who may see it. The owner of the reporting agent may not make its
    incident vanish."""
    if not roles(user) & {*ROLES, LEAD}:
        return False
    owned = Incident.objects.filter(pk=incident.pk, agent__versions__owner=user.person).exists()
    return not owned and visible_incidents(user).filter(pk=incident.pk).exists()
