"""Change object rights on services (guardian's rows), each with its audit entry."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from guardian.models import GroupObjectPermission, UserObjectPermission

from audit import log
from remediation.domain.errors import BadValue, NoSuchObject
from remediation.domain.events import Event
from remediation.models import Service, User
from remediation.services.actors import Actor, PersonActor
from remediation.services.people import accounts

RIGHTS = ("view_service", "review_service")
Rows = type[UserObjectPermission] | type[GroupObjectPermission]


@transaction.atomic
def set_right(
    *,
    actor: Actor,
    service_id: int,
    right: str,
    held: bool,
    person: UUID | None = None,
    group: str = "",
) -> None:
    """Grant a right on a service to a person or to a group, or revoke it.

    Writes nothing when nothing changes. Raises NotEntitled, BadValue, NoSuchObject.
    """
    accounts.require(actor, accounts.USER_ADMIN)
    if right not in RIGHTS:
        raise BadValue(f"a right is one of {', '.join(RIGHTS)}")
    if (person is None) == (not group):
        raise BadValue("a right is held by one person or by one group")
    service = Service.objects.filter(pk=service_id).first()
    if service is None:
        raise NoSuchObject(f"service {service_id}")
    permission = Permission.objects.get(
        content_type__app_label="remediation", content_type__model="service", codename=right
    )
    rows, holder = _holder(person, group)
    row = {
        **holder,
        "permission": permission,
        "content_type": permission.content_type,
        "object_pk": str(service_id),
    }
    if rows.objects.filter(**row).exists() == held:
        return
    log.append(
        action=Event.PERSON_RIGHT_CHANGED
        if isinstance(actor, PersonActor)
        else Event.OPERATOR_RIGHT_CHANGED,
        actor=actor.ref,
        object=f"service:{service.name}",
        data={
            "right": right,
            "holder": f"person:{person}" if person else f"group:{group}",
            "held": held,
        },
    )
    if held:
        rows.objects.create(**row)
    else:
        rows.objects.filter(**row).delete()


@dataclass(frozen=True)
class Right:
    """One right on a service, as shown to an administrator."""

    right: str
    person: UUID | None
    group: str
    holder: str


def rights_on(service_id: int) -> list[Right]:
    """Return the rights on the service, of people and of groups."""
    mine = {
        "content_type__app_label": "remediation",
        "content_type__model": "service",
        "object_pk": str(service_id),
    }
    users = UserObjectPermission.objects.filter(**mine).select_related("permission", "user")
    groups = GroupObjectPermission.objects.filter(**mine).select_related("permission", "group")
    found = [
        Right(row.permission.codename, row.user.person, "", row.user.username) for row in users
    ] + [Right(row.permission.codename, None, row.group.name, row.group.name) for row in groups]
    return sorted(found, key=lambda right: (right.right, right.group, right.holder))


def _holder(person: UUID | None, group: str) -> tuple[Rows, dict[str, User | Group]]:
    if person is not None:
        user = User.objects.filter(person=person).first()
        if user is None:
            raise NoSuchObject(f"person {person}")
        return UserObjectPermission, {"user": user}
    return GroupObjectPermission, {"group": accounts.group_of(group)}
