"""Build the data of the pages about people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import connection

from remediation.domain import errors
from remediation.domain.slots import KEY_ROLES
from remediation.models import ApproverKey, Invitation, PasskeyEnrolment, User
from remediation.services.access import authorize
from remediation.services.clock import database_now
from remediation.services.people import accounts
from remediation.views.people.page import Key, Next, PeoplePage, PersonRow

TODO, ACTIVE, INACTIVE = "todo", "active", "inactive"
STATES = (TODO, ACTIVE, INACTIVE)
LONGEST = 100


def people_page(viewer: User, query: Mapping[str, str]) -> PeoplePage:
    """Return the list for this viewer, limited by ``q``, ``role`` and ``state``."""
    everybody = list(User.objects.prefetch_related("groups").order_by("-is_active", "username"))
    rows = _rows(everybody)
    q = query.get("q", "").strip()[:LONGEST]
    roles = tuple(sorted({role for row in rows for role in row.roles}))
    role = query.get("role", "") if query.get("role", "") in roles else ""
    state = query.get("state", "") if query.get("state", "") in STATES else ""
    return PeoplePage(
        rows=tuple(row for row in rows if _fits(row, q.lower(), role, state)),
        total=len(rows),
        open=sum(bool(row.next) for row in rows),
        q=q,
        role=role,
        state=state,
        roles=roles,
        states=STATES,
        may_change=accounts.USER_ADMIN in authorize.roles(viewer),
    )


def username_of(user_id: int) -> str:
    """Return the name of an account. Raises NoSuchObject."""
    found = User.objects.filter(pk=user_id).values_list("username", flat=True).first()
    if found is None:
        raise errors.NoSuchObject()
    return found


def _fits(row: PersonRow, q: str, role: str, state: str) -> bool:
    wanted = {
        "": True,
        TODO: bool(row.next),
        ACTIVE: row.active,
        INACTIVE: not row.active,
    }[state]
    named = q in row.username.lower() or q in row.name.lower()
    return wanted and named and (not role or role in row.roles)


def _rows(people: list[User]) -> list[PersonRow]:
    now = database_now()
    held = Counter(
        Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN).values_list(
            "user_id", flat=True
        )
    )
    invited = _open_invitations(now)
    keys, enrolled, rights = _keys(), _enrolments(), _with_rights()
    return [
        _row(
            user,
            passkeys=held[user.pk],
            invited=invited.get(user.person),
            keys=keys.get(user.person, ()),
            enrolled=enrolled.get(user.person, ()),
            has_right=user.person in rights,
            now=now,
        )
        for user in people
    ]


def _row(
    user: User,
    *,
    passkeys: int,
    invited: datetime | None,
    keys: Iterable[ApproverKey],
    enrolled: Iterable[str],
    has_right: bool,
    now: datetime,
) -> PersonRow:
    roles = tuple(sorted(group.name for group in user.groups.all()))
    signing = tuple(role for role in KEY_ROLES if role in roles)
    key, key_roles, until = _key(signing, keys, now)
    following = _next(
        user, signing, passkeys=passkeys, invited=invited, key=key, has_right=has_right
    )
    newest = list(enrolled)[-1:]
    return PersonRow(
        user_id=user.pk,
        person=user.person,
        username=user.username,
        name=user.get_full_name(),
        active=user.is_active,
        roles=roles,
        passkeys=passkeys,
        last_seen=user.last_login,
        invited_until=invited,
        key=key,
        key_roles=key_roles,
        key_until=until,
        next=following,
        command=(
            _command(user.username, newest[0], signing)
            if following is Next.ADD_KEY and newest
            else ""
        ),
    )


def _next(
    user: User,
    signing: tuple[str, ...],
    *,
    passkeys: int,
    invited: datetime | None,
    key: Key,
    has_right: bool,
) -> Next:
    if not user.is_active:
        return Next.NOTHING
    if not passkeys:
        return Next.WAIT if invited else Next.INVITE
    if key in (Key.MISSING, Key.ENDED):
        return Next.ADD_KEY
    if set(signing) & accounts.APPROVER_ROLES and not has_right:
        return Next.GIVE_RIGHT
    return Next.SECOND_PASSKEY if passkeys == 1 else Next.NOTHING


def _key(
    signing: tuple[str, ...], keys: Iterable[ApproverKey], now: datetime
) -> tuple[Key, tuple[str, ...], datetime | None]:
    """Return the state of the person's key, its roles, and until when it is valid."""
    if not signing:
        return Key.NOT_NEEDED, (), None
    newest: dict[str, ApproverKey] = {row.fingerprint: row for row in keys}
    valid = [row for row in newest.values() if row.until is None or row.until > now]
    if not newest:
        return Key.MISSING, (), None
    roles = tuple(role for role in signing if any(role in row.roles for row in valid))
    if not roles:
        return Key.ENDED, (), None
    ends = [row.until for row in valid]
    until = None if None in ends else max(end for end in ends if end is not None)
    return Key.THERE, roles, until


def _command(username: str, fingerprint: str, roles: tuple[str, ...]) -> str:
    # Without the spaces that make it readable: the line is for a shell.
    key = fingerprint.replace(" ", "")
    asked = " ".join(f"--role {role}" for role in roles)
    return f"hitlportal approver add {username} --key {key} {asked}"


def _open_invitations(now: datetime) -> dict[UUID, datetime]:
    """Return until when a person's newest code is valid, for codes that nobody used."""
    newest: dict[UUID, Invitation] = {}
    for row in Invitation.objects.filter(expires_at__gt=now).order_by("pk"):
        newest[row.person] = row
    used = set(
        Invitation.objects.filter(
            pk__in=[row.pk for row in newest.values()], invitationuse__isnull=False
        ).values_list("pk", flat=True)
    )
    return {
        person: row.expires_at
        for person, row in newest.items()
        if row.pk not in used and row.expires_at is not None
    }


def _keys() -> dict[UUID, list[ApproverKey]]:
    found: dict[UUID, list[ApproverKey]] = defaultdict(list)
    for row in ApproverKey.objects.order_by("pk"):
        found[row.person].append(row)
    return found


def _enrolments() -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    for row in PasskeyEnrolment.objects.order_by("pk"):
        found[row.person].append(row.fingerprint)
    return found


def _with_rights() -> set[UUID]:
    """Return the people who may review something."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT person FROM remediation.service_right"
            " WHERE codename = 'review_service'"
        )
        return {row[0] for row in cursor.fetchall()}
