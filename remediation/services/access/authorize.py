"""Decide who may decide what, from group rows and guardian's object rows.

Never uses `user.has_perm` or guardian's shortcuts: they allow everything to superusers (A13).
See visibility.py for what a person may see, slots.py for many proposals at once.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import Subquery
from django.db.models.functions import Coalesce

from remediation.domain.policy import ROLES
from remediation.domain.slots import KEY_ROLES
from remediation.models import Assessment, Proposal, SeenAgain, User
from remediation.services.access.asked import asked_by

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
    """Return the assessment of the proposal's present round, with its newest equal look."""
    looks = SeenAgain.objects.filter(proposal=proposal, round=proposal.round).order_by("-pk")
    rows = Assessment.objects.filter(proposal=proposal, round=proposal.round)
    found = rows.annotate(newest_look=Coalesce(Subquery(looks.values("pk")[:1]), 0)).first()
    if found:
        found.look = found.newest_look
    return found


def deciding_roles(person: UUID) -> frozenset[str]:
    """Return the roles of the person's active account that can fill a slot."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT role FROM remediation.entitlement"
            " WHERE person = %s AND active AND role = ANY(%s)",
            [person, list(KEY_ROLES)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def entitled_roles(person: UUID, assessment: Assessment | None) -> frozenset[str]:
    """Return the roles that count on this proposal (`Asked.counting`).

    Before the first assessment nobody knows what it affects; then an approver role is enough.
    """
    if assessment is None:
        return approver_roles(person)
    held = deciding_roles(person)
    if not held:
        return held
    return asked_by(assessment).counting(held, service_ids(person, "review_service"))


def may_review(person: UUID, proposal: Proposal) -> bool:
    """Return whether the person may decide on the proposal: entitled and not excluded."""
    return bool(entitled_roles(person, newest(proposal))) and str(person) not in excluded(
        proposal.pk
    )


def slots_of(user: User, assessment: Assessment) -> tuple[str, ...]:
    """Return the ruling's slots that the person may fill, whether they are open or not."""
    held = deciding_roles(user.person)
    rights = service_ids(user.person, "review_service")
    return asked_by(assessment).fitting(held, rights) if held else ()


def may_audit(user: User) -> bool:
    """Return whether the person is an auditor."""
    return AUDITOR in roles(user)
