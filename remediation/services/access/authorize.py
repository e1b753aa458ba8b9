"""Decide who may decide what, from group rows and guardian's object rows.

Never uses `user.has_perm` or guardian's shortcuts: they allow everything to superusers (A13).
See visibility.py for what a person may see, slots.py for many proposals at once.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from remediation.domain.policy import ANY, ROLES
from remediation.domain.slots import KEY_ROLES
from remediation.models import Assessment, Proposal, User

AUDITOR, LEAD, SECURITY = "auditor", "lead", "security"


def roles(user: User) -> frozenset[str]:
    """Return the groups of an active account; none for an inactive one."""
    if not user.is_active:
        return frozenset()
    return frozenset(user.groups.values_list("name", flat=True))


def approver_roles(person: UUID) -> frozenset[str]:
    """Return the approver roles that the person's active account holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT role FROM remediation.entitlement"
            " WHERE person = %s AND active AND role = ANY(%s)",
            [person, list(ROLES)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def holds_role(person: UUID) -> bool:
    """Return whether the person is active and an approver or a lead."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM remediation.entitlement"
            " WHERE person = %s AND active AND role = ANY(%s))",
            [person, list(KEY_ROLES)],
        )
        return bool(cursor.fetchone()[0])


def service_ids(person: UUID, *rights: str) -> frozenset[int]:
    """Return the services on which the person holds one of the rights, personally or by a group."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT service_id FROM remediation.service_right"
            " WHERE person = %s AND codename = ANY(%s)",
            [person, list(rights)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def excluded(proposal_id: UUID) -> dict[str, tuple[str, ...]]:
    """Return the people who may not decide this proposal, with the reasons (promise 4)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person, why FROM remediation.excluded_v1(%s)", [proposal_id])
        found: dict[str, tuple[str, ...]] = {}
        for person, why in cursor.fetchall():
            found[person] = (*found.get(person, ()), why)
    return found


def newest(proposal: Proposal) -> Assessment | None:
    """Return the assessment of the proposal's present round."""
    return Assessment.objects.filter(proposal=proposal, round=proposal.round).first()


def direct_services(assessment: Assessment) -> frozenset[int]:
    """Return the services that use a target of the assessed plan directly."""
    return frozenset(assessment.services.filter(depth=1).values_list("service_id", flat=True))


def entitled_roles(person: UUID, assessment: Assessment | None) -> frozenset[str]:
    """Return the approver roles that count on this proposal.

    The person must hold the right `review` on every service that uses a target directly. Where
    the inventory knows no such service the role is enough; policy then asks for two approvals by
    different roles.
    """
    held = approver_roles(person)
    if not held or assessment is None:
        return held
    if direct_services(assessment) <= service_ids(person, "review_service"):
        return held
    return frozenset()


def may_review(person: UUID, proposal: Proposal) -> bool:
    """Return whether the person may decide on the proposal: entitled and not excluded."""
    return bool(entitled_roles(person, newest(proposal))) and str(person) not in excluded(
        proposal.pk
    )


def slots_of(user: User, assessment: Assessment) -> tuple[str, ...]:
    """Return the ruling's slots that the person's roles fit, whether they are open or not."""
    held = entitled_roles(user.person, assessment)
    return tuple(
        dict.fromkeys(slot for slot in assessment.slots if (held and slot == ANY) or slot in held)
    )


def may_audit(user: User) -> bool:
    """Return whether the person is an auditor."""
    return AUDITOR in roles(user)
