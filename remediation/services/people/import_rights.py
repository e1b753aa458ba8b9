"""Give and take the rights of a file: all rows or none, after a dry run that shows each change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from remediation.domain.errors import BadValue, Refused, WrongState
from remediation.domain.intake.rights import RIGHTS, Asked, Problem, read
from remediation.models import Service, ServiceVersion, User
from remediation.services.actors import Actor
from remediation.services.people import accounts, object_rights
from remediation.services.people.object_rights import Place

WORDS = {name: word for word, name in RIGHTS.items()}


@dataclass(frozen=True)
class Prepared:
    """What a file would change, and the rows that nobody can do."""

    changes: tuple[Asked, ...]
    unchanged: int
    problems: tuple[Problem, ...]

    @property
    def digest(self) -> str:
        """Return a digest of the changes, so that what is applied is what was shown."""
        return sha256("\n".join(map(describe, self.changes)).encode()).hexdigest()[:16]


def describe(asked: Asked) -> str:
    """Describe one change in a line."""
    verb = "give" if asked.held else "take"
    return f"{verb} {asked.holder}: {WORDS[asked.right]} {asked.kind} {asked.name}"


def prepare(*, actor: Actor, content: bytes, only: str = "") -> Prepared:
    """Read the file and compare it with the rights that are held. Raises NotEntitled, BadInput.

    With ``only``, "give" or "take", a row must say that, or nothing and then means it.
    """
    accounts.require(actor, accounts.USER_ADMIN)
    rows, problems = read(content, only=only)
    found = [*problems, *_unknown(rows)]
    wrong = {problem.line for problem in found}
    possible = [row for row in rows if row.line not in wrong]
    held = _held(possible)
    changes = [row for row in possible if (_key(row) in held) != row.held]
    return Prepared(
        tuple(dict.fromkeys(changes)),
        len(possible) - len(changes),
        tuple(sorted(found, key=lambda problem: problem.line)),
    )


@transaction.atomic
def apply(*, actor: Actor, content: bytes, digest: str, only: str = "") -> Prepared:
    """Make all changes of the file, in one transaction.

    Raises BadValue while a row has a problem, WrongState when the changes are not those of the
    digest, and what `set_right_on` raises.
    """
    found = prepare(actor=actor, content=content, only=only)
    if found.problems:
        raise BadValue(f"rights, {found.problems[0]}; nothing was changed")
    if found.digest != digest:
        raise WrongState("the rights changed since the dry run; look at it again")
    people = dict(
        User.objects.filter(username__in={row.person for row in found.changes}).values_list(
            "username", "person"
        )
    )
    for row in found.changes:
        _set(actor, row, people.get(row.person))
    return found


def _set(actor: Actor, row: Asked, person: UUID | None) -> None:
    try:
        object_rights.set_right_on(
            actor=actor,
            place=Place(row.kind, row.name),
            right=row.right,
            held=row.held,
            person=person,
            group=row.group,
        )
    except Refused as refusal:
        refusal.detail = f"rights, line {row.line}: {refusal.detail or refusal.message}"
        raise


def _unknown(rows: Iterable[Asked]) -> list[Problem]:
    rows = list(rows)
    people = set(User.objects.values_list("username", flat=True))
    groups = {*accounts.BUILT_IN, *Group.objects.values_list("name", flat=True)}
    places = {
        "service": set(Service.objects.values_list("name", flat=True)),
        "team": set(ServiceVersion.objects.values_list("owner_team", flat=True)) - {""},
        "environment": set(ServiceVersion.objects.values_list("environment", flat=True)),
    }
    found = []
    for row in rows:
        if row.person and row.person not in people:
            found.append(Problem(row.line, f"nobody has the user name {row.person!r}"))
        elif row.group and row.group not in groups:
            found.append(Problem(row.line, f"there is no group {row.group!r}"))
        elif row.name not in places[row.kind]:
            found.append(
                Problem(row.line, f"no service of the inventory has the {row.kind} {row.name!r}")
            )
    return found


def _held(rows: Iterable[Asked]) -> set[tuple[str, str, str, str]]:
    """Return the rights that these rows' holders hold themselves, as `_key` names them."""
    rows = list(rows)
    found = set()
    for user in User.objects.filter(username__in={row.person for row in rows}):
        for right in object_rights.rights_held_by(user):
            if not right.group:
                found.add((user.username, right.right, right.place.kind, right.place.name))
    for right in object_rights.rights_of_groups({row.group for row in rows}):
        found.add((f"group:{right.group}", right.right, right.place.kind, right.place.name))
    return found


def _key(row: Asked) -> tuple[str, str, str, str]:
    return row.holder, row.right, row.kind, row.name
