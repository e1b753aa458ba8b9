"""Who may see an incident or a proposal: the people that can be asked, or given the incident."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection

from remediation.domain.slots import KEY_ROLES
from remediation.models import User
from remediation.services.access.visibility import viewers

__all__ = ["candidates", "named", "viewers"]


def candidates(incident_id: UUID) -> frozenset[UUID]:
    """Return who can have the incident: the approvers and leads who may see it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT v.person FROM remediation.viewers_v1(%s, NULL) AS v (person)"
            " JOIN remediation.entitlement e USING (person)"
            " WHERE e.active AND e.role = ANY(%s)",
            [incident_id, list(KEY_ROLES)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def named(people: Collection[UUID]) -> tuple[tuple[UUID, str], ...]:
    """Return these people with their names, by name, for a list to choose from."""
    rows = User.objects.filter(person__in=people, is_active=True).order_by("username")
    return tuple(rows.values_list("person", "username"))
