"""Who can do what: what a person may see and decide, and who may see and decide a service's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from remediation.domain import errors
from remediation.domain.slots import KEY_ROLES, LEAD, ROLES
from remediation.models import Service, User
from remediation.services.access.authorize import AUDITOR, roles, service_ids

# These see every proposal, or administer people; the names of people are theirs to see.
OVERSEERS = frozenset({LEAD, AUDITOR, "user_admin"})


@dataclass(frozen=True)
class Holder:
    """A person with a right on a service."""

    person: UUID
    name: str
    active: bool
    roles: tuple[str, ...]
    may_review: bool

    @property
    def decides(self) -> bool:
        return self.active and self.may_review and bool(set(self.roles) & set(ROLES))


def find_person(viewer: User, person: UUID) -> User:
    """Return a person whose rights the viewer may see. Raises NoSuchObject."""
    about = User.objects.filter(person=person).first()
    if about is None or (viewer.pk != about.pk and not roles(viewer) & OVERSEERS):
        raise errors.NoSuchObject()
    return about


def find_service(viewer: User, service_id: int) -> Service:
    """Return a service whose people the viewer may see. Raises NoSuchObject."""
    held, service = roles(viewer), Service.objects.filter(pk=service_id).first()
    if service is None or not held:
        raise errors.NoSuchObject()
    mine = service_ids(viewer.person, "view_service", "review_service")
    if not held & OVERSEERS and service.pk not in mine:
        raise errors.NoSuchObject()
    return service


def holders_of(service: Service) -> tuple[Holder, ...]:
    """Return the people with a right on the service, those who decide first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.person, a.username, a.active,"
            "       (SELECT coalesce(array_agg(e.role ORDER BY e.role), '{}')"
            "          FROM remediation.entitlement e"
            "         WHERE e.person = a.person AND e.role = ANY(%s)),"
            "       bool_or(r.codename = 'review_service')"
            "  FROM remediation.service_right r JOIN remediation.account a USING (person)"
            " WHERE r.service_id = %s"
            " GROUP BY a.person, a.username, a.active",
            [list(KEY_ROLES), service.pk],
        )
        found = [
            Holder(person, name, active, tuple(held), may_review)
            for person, name, active, held, may_review in cursor.fetchall()
        ]
    return tuple(sorted(found, key=lambda one: (not one.decides, not one.active, one.name)))


def leads() -> tuple[str, ...]:
    """Return the names of active leads, who may halt every run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT a.username FROM remediation.entitlement e"
            "  JOIN remediation.account a USING (person)"
            " WHERE e.active AND e.role = %s ORDER BY 1",
            [LEAD],
        )
        return tuple(row[0] for row in cursor.fetchall())


def lacking(holders: Iterable[Holder]) -> tuple[str, ...]:
    """Return the approver roles that nobody active with a right on the service holds."""
    held = {role for one in holders if one.decides for role in one.roles}
    return tuple(role for role in ROLES if role not in held)


def names_of(ids: Iterable[int], most: int) -> tuple[tuple[int, str], ...]:
    """Return the first of these services by name."""
    found = Service.objects.filter(pk__in=list(ids)).order_by("name")
    return tuple(found.values_list("pk", "name")[:most])
