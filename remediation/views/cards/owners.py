"""Find the people who answer for services: whom a reviewer can ask what breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from remediation.domain.slots import SERVICE_OWNER
from remediation.models import User


@dataclass(frozen=True)
class Contact:
    """A service owner, with the address of the account."""

    name: str
    mail: str


def contacts(services: Iterable[int]) -> dict[int, tuple[Contact, ...]]:
    """Return, by service, the active service owners who may review it; two queries."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT service_id, person FROM remediation.service_right"
            " WHERE codename = 'review_service' AND service_id = ANY(%s)",
            [list(services)],
        )
        rights = cursor.fetchall()
    people = {
        user.person: Contact(user.get_full_name() or user.username, user.email)
        for user in User.objects.filter(
            person__in={person for _, person in rights}, is_active=True, groups__name=SERVICE_OWNER
        ).order_by("username")
    }
    found: dict[int, list[Contact]] = {}
    for service_id, person in rights:
        if person in people:
            found.setdefault(service_id, []).append(people[person])
    return {
        service_id: tuple(sorted(some, key=lambda one: one.name))
        for service_id, some in found.items()
    }
