"""Find the people whom something concerns: who may decide, and who holds a role."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from remediation.domain.policy import ROLES
from remediation.models import Incident, Proposal
from remediation.services.access import deciders


def entitled(proposal: Proposal) -> set[UUID]:
    """Return the active people who may fill a slot of this proposal and are not excluded from it.

    Before the first assessment nobody knows the slots; then all approvers.
    """
    found = deciders.able(proposal)
    return holders(*ROLES) if found is None else found


def holders(*roles: str) -> set[UUID]:
    """Return the active people who hold one of the roles."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT person FROM remediation.entitlement WHERE active AND role = ANY(%s)",
            [list(roles)],
        )
        return {row[0] for row in cursor.fetchall()}


def reviewers(incident: Incident) -> set[UUID]:
    """Return who may review the newest proposal; every approver where there is none."""
    newest = incident.proposals.order_by("-recorded_at").first()
    return entitled(newest) if newest is not None else holders(*ROLES)
