"""Give and take rights on a service, on an owner team's services, or on an environment's.

They are guardian's rows, each change with its audit entry; `service_right` in sql/people.sql says
what they come to for each service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import QuerySet
from guardian.models import GroupObjectPermission, UserObjectPermission

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.act import Act, ActName
from remediation.domain.errors import BadValue, NoSuchObject, NotEntitled
from remediation.domain.events import Event
from remediation.models import EnvironmentName, OwnerTeam, Service, ServiceVersion, User
from remediation.services.actors import Actor, PersonActor
from remediation.services.guards import translated
from remediation.services.people import accounts, stepup

RIGHTS = ("view_service", "review_service")
# What a right can be given on, and the rows that name it.
KINDS: Mapping[str, Any] = {
    "service": Service, "team": OwnerTeam, "environment": EnvironmentName,
}  # fmt: skip
_MODELS = {str(model._meta.model_name): kind for kind, model in KINDS.items()}
Rows = type[UserObjectPermission] | type[GroupObjectPermission]


@dataclass(frozen=True)
class Place:
    """What a right is on: a service, a team's services, or an environment's, by name."""

    kind: str
    name: str


def setting(
    place: Place, right: str, *, held: bool, person: UUID | None = None, group: str = ""
) -> Act:
    """Return the act of `set_right_on`, to be signed by a person."""
    said: dict[str, Json] = {"right": right, "holder": _ref(person, group), "held": held}
    return Act(ActName.SET_RIGHT, f"{place.kind}:{place.name}", said)


@transaction.atomic
def set_right(
    *,
    actor: Actor,
    service_id: int,
    right: str,
    held: bool,
    person: UUID | None = None,
    group: str = "",
    proof: stepup.Proof | None = None,
) -> None:
    """Grant a right on one service, or revoke it; see `set_right_on`."""
    accounts.require(actor, accounts.USER_ADMIN)
    service = Service.objects.filter(pk=service_id).first()
    if service is None:
        raise NoSuchObject(f"service {service_id}")
    place = Place("service", service.name)
    set_right_on(
        actor=actor, place=place, right=right, held=held, person=person, group=group, proof=proof
    )


@transaction.atomic
def set_right_on(
    *,
    actor: Actor,
    place: Place,
    right: str,
    held: bool,
    person: UUID | None = None,
    group: str = "",
    proof: stepup.Proof | None = None,
) -> bool:
    """Grant a right to a person or to a group, or revoke it; return whether that changed anything.

    A person signs it with the passkey (docs/attacks.md A76). Nobody gives a right to himself, nor
    to a group of his. Raises NotEntitled, BadValue, NoSuchObject, and what `stepup.check` raises.
    """
    accounts.require(actor, accounts.USER_ADMIN)
    if right not in RIGHTS:
        raise BadValue(f"a right is one of {', '.join(RIGHTS)}")
    if (person is None) == (not group):
        raise BadValue("a right is held by one person or by one group")
    if held:
        _refuse_own(actor, person, group)
    rows, holder = _holder(person, group)
    on = _row_of(actor, place, make=held)
    if on is None:
        return False
    permission = Permission.objects.get(
        content_type__app_label="remediation",
        content_type__model=type(on)._meta.model_name,
        codename=right,
    )
    row = {
        "permission": permission,
        "content_type": permission.content_type,
        "object_pk": str(on.pk),
    }
    mine = rows.objects.filter(**row, **holder)
    if mine.exists() == held:
        return False
    act = setting(place, right, held=held, person=person, group=group)
    allowed = stepup.warrant(actor=actor, act=act, proof=proof)
    allowed.use(_append(actor, act.object, **act.input, **allowed.data))
    if held:
        with translated():
            # A group of the portal is made when it is first needed.
            of = {"group": accounts.group_of(group)} if group else holder
            rows.objects.create(**row, **of)
    else:
        mine.delete()
    return True


def _append(actor: Actor, object: str, **data: Any) -> int:
    by_person = isinstance(actor, PersonActor)
    event = Event.PERSON_RIGHT_CHANGED if by_person else Event.OPERATOR_RIGHT_CHANGED
    return log.append(action=event, actor=actor.ref, object=object, data=data).id


def _ref(person: UUID | None, group: str) -> str:
    return f"person:{person}" if person else f"group:{group}"


def _refuse_own(actor: Actor, person: UUID | None, group: str) -> None:
    if not isinstance(actor, PersonActor):
        return
    mine = User.objects.filter(person=actor.person, groups__name=group).exists() if group else False
    if person == actor.person or mine:
        raise NotEntitled("nobody gives a right to himself")


def _row_of(actor: Actor, place: Place, *, make: bool) -> Any:
    """Return the row that rights on the place refer to; make that of a team or an environment.

    None for a team or an environment on which nobody was ever given a right.
    """
    model = KINDS.get(place.kind)
    if model is None:
        raise BadValue(f"a right is on one of {', '.join(KINDS)}")
    found = model.objects.filter(name=place.name).first()
    if found is not None:
        return found
    known = {
        "team": ServiceVersion.objects.filter(owner_team=place.name),
        "environment": ServiceVersion.objects.filter(environment=place.name),
    }
    if not place.name or place.kind == "service" or not known[place.kind].exists():
        raise NoSuchObject(f"no service of the inventory has the {place.kind} {place.name[:100]!r}")
    if not make:
        return None
    with translated():
        return model.objects.create(
            name=place.name, entry=_append(actor, f"{place.kind}:{place.name}", named=True)
        )


@dataclass(frozen=True)
class Right:
    """One right, as shown to an administrator."""

    right: str
    person: UUID | None
    group: str
    holder: str
    place: Place


def rights_on(service_id: int) -> list[Right]:
    """Return the rights given on the service itself, of people and of groups."""
    mine = {"content_type__model": "service", "object_pk": str(service_id)}
    return sorted(
        _read(
            UserObjectPermission.objects.filter(**mine),
            GroupObjectPermission.objects.filter(**mine),
        ),
        key=lambda right: (right.right, right.group, right.holder),
    )


def rights_held_by(user: User) -> list[Right]:
    """Return the rights of a person, personal ones and those of the person's groups."""
    return sorted(
        _read(
            UserObjectPermission.objects.filter(user=user),
            GroupObjectPermission.objects.filter(group__in=user.groups.all()),
        ),
        key=lambda right: (right.place.kind, right.place.name, right.right, right.group),
    )


def all_rights() -> list[Right]:
    """Return every right that was given, of people and of groups."""
    return sorted(
        _read(UserObjectPermission.objects.all(), GroupObjectPermission.objects.all()),
        key=lambda right: (right.group, right.holder, right.place.kind, right.place.name),
    )


def rights_of_groups(names: Iterable[str]) -> list[Right]:
    """Return the rights of these groups."""
    shared = GroupObjectPermission.objects.filter(group__name__in=list(names))
    return list(_read(UserObjectPermission.objects.none(), shared))


def _read(
    users: QuerySet[UserObjectPermission], groups: QuerySet[GroupObjectPermission]
) -> Iterator[Right]:
    ours: dict[str, Any] = {
        "content_type__app_label": "remediation",
        "content_type__model__in": list(_MODELS),
    }
    personal = users.filter(**ours).select_related("permission", "user", "content_type")
    shared = groups.filter(**ours).select_related("permission", "group", "content_type")
    names = _names([*personal, *shared])
    for row in personal:
        if place := names.get((row.content_type.model, row.object_pk)):
            yield Right(row.permission.codename, row.user.person, "", row.user.username, place)
    for given in shared:
        if place := names.get((given.content_type.model, given.object_pk)):
            yield Right(given.permission.codename, None, given.group.name, given.group.name, place)


def _names(rows: list[Any]) -> dict[tuple[str, str], Place]:
    """Return the places of guardian's rows, by model and key; rows with other keys have none."""
    found = {}
    for name, kind in _MODELS.items():
        keys = {row.object_pk for row in rows if row.content_type.model == name}
        numbers = [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]
        for pk, named in KINDS[kind].objects.filter(pk__in=numbers).values_list("pk", "name"):
            found[name, str(pk)] = Place(kind, named)
    return found


def _holder(person: UUID | None, group: str) -> tuple[Rows, dict[str, Any]]:
    if person is not None:
        user = User.objects.filter(person=person).first()
        if user is None:
            raise NoSuchObject(f"person {person}")
        return UserObjectPermission, {"user": user}
    if group not in accounts.BUILT_IN:
        accounts.group_of(group)
    return GroupObjectPermission, {"group__name": group}
