"""Change accounts and groups, each change with its audit entry. Nothing else writes these rows.

Rights depend on group rows; `is_superuser` gives none (docs/attacks.md A13). Entries name people
by an opaque id and hold no name or address, so that a person can be erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.crypto import salted_hmac

from audit import log
from audit.tlog.canonical import Json, encode
from remediation.domain import policy
from remediation.domain.act import Act, ActName
from remediation.domain.errors import (
    AlreadyExists,
    BadValue,
    NoSuchObject,
    NotEntitled,
    RoleConflict,
)
from remediation.domain.events import Event
from remediation.domain.inert import visible
from remediation.models import User
from remediation.services.access import authorize
from remediation.services.actors import Actor, PersonActor, ProcessActor
from remediation.services.guards import translated
from remediation.services.people import stepup

APPROVER_ROLES = frozenset(policy.ROLES)
INVENTORY_EDITOR, AGENT_ADMIN, USER_ADMIN = "inventory_editor", "agent_admin", "user_admin"
# People who make accounts or agents could make a second approver or an agent of their own.
ADMINISTERING = frozenset({AGENT_ADMIN, USER_ADMIN})
# Groups with a meaning in code; other groups only carry object rights.
BUILT_IN = APPROVER_ROLES | ADMINISTERING | {INVENTORY_EDITOR, authorize.AUDITOR, authorize.LEAD}
# Members may open the admin site; each page there verifies rights again.
ADMIN_SITE = ADMINISTERING | {INVENTORY_EDITOR, authorize.AUDITOR}

# What a signature is about that makes an account: the account has no id yet.
NEW = "account:new"
_DETAILS = "hitlportal/account-details/v1"

# Only these characters, so that look-alike letters or letter case cannot make a second "alice".
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,149}", re.ASCII)
_GROUP = re.compile(r"[a-z][a-z0-9_]{0,79}", re.ASCII)


@dataclass(frozen=True)
class PersonFacts:
    """The attributes of an account that an administrator sets."""

    email: str = ""
    first_name: str = ""
    last_name: str = ""
    active: bool = True
    groups: frozenset[str] = field(default_factory=frozenset)

    def check(self) -> None:
        """Refuse values that are not allowed. Raises BadValue."""
        for what, value in (("first name", self.first_name), ("last name", self.last_name)):
            if len(value) > 150 or visible(value) != value:
                raise BadValue(f"{what}: at most 150 characters, none invisible")
        if self.email:
            try:
                validate_email(self.email)
            except ValidationError:
                raise BadValue("not an e-mail address") from None

    @classmethod
    def of(cls, user: User) -> PersonFacts:
        """Return the attributes of a stored account."""
        groups = frozenset(user.groups.values_list("name", flat=True))
        return cls(user.email, user.first_name, user.last_name, user.is_active, groups)


def require(actor: Actor, *groups: str) -> None:
    """Refuse actors that are neither an operator nor an active person in one of the groups.

    Without groups only an operator may act. Raises NotEntitled.
    """
    if isinstance(actor, ProcessActor) and actor.ref.startswith("operator:"):
        return
    if isinstance(actor, PersonActor):
        user = User.objects.filter(person=actor.person).first()
        if user is not None and authorize.roles(user) & set(groups):
            return
    raise NotEntitled(f"this needs {' or '.join(groups) or 'an operator of the host'}")


def refuse_conflict(groups: Iterable[str], *, superuser: bool) -> None:
    """Refuse a role that decides together with the power over users or agents.

    A lead decides where a ruling asks for a lead. Raises RoleConflict.
    """
    roles = {*APPROVER_ROLES, authorize.LEAD}.intersection(groups)
    powers = sorted(ADMINISTERING.intersection(groups)) + ["superuser"] * superuser
    if roles and powers:
        raise RoleConflict(f"{', '.join(sorted(roles))} together with {', '.join(powers)}")


def creating(username: str, facts: PersonFacts) -> Act:
    """Return the act of `create`, to be signed by a person."""
    said: dict[str, Json] = {
        "given": [*sorted(facts.groups)],
        "active": facts.active,
        "details": _keyed(_private(facts, username=username)),
    }
    return Act(ActName.CREATE_ACCOUNT, NEW, said)


def changing(user: User, facts: PersonFacts) -> Act:
    """Return the act of `change`, to be signed by a person.

    It says what was before, too: if anything of it changes meanwhile, the signature does not fit.
    """
    before = PersonFacts.of(user)
    personal = _changed(before, facts)
    said: dict[str, Json] = {
        "given": [*sorted(facts.groups - before.groups)],
        "taken": [*sorted(before.groups - facts.groups)],
        "active": facts.active,
        "was_active": before.active,
        "changed": [*personal],
        "details": _keyed(
            {name: getattr(facts, name) for name in personal}
            | {f"{name} before": getattr(before, name) for name in personal}
        ),
    }
    return Act(ActName.CHANGE_ACCOUNT, user.actor, said)


def creating_group(name: str) -> Act:
    """Return the act of `create_group`, to be signed by a person."""
    return Act(ActName.CREATE_GROUP, f"group:{name}", {})


@transaction.atomic
def create(
    *, actor: Actor, username: str, facts: PersonFacts, proof: stepup.Proof | None = None
) -> User:
    """Create an account. It cannot sign in before its person redeems an invitation.

    A person signs it with the passkey (docs/attacks.md A76). Raises NotEntitled, BadValue,
    AlreadyExists, RoleConflict, NoSuchObject (a group), and what `stepup.check` raises.
    """
    require(actor, USER_ADMIN)
    if not _USERNAME.fullmatch(username):
        raise BadValue("a user name may only contain lower-case letters, digits and . _ @ + -")
    facts.check()
    refuse_conflict(facts.groups, superuser=False)
    if User.objects.filter(username=username).exists():
        raise AlreadyExists(f"there is already an account named {username}")
    allowed = stepup.warrant(actor=actor, act=creating(username, facts), proof=proof)
    user = User(username=username)
    user.set_unusable_password()
    entry = _record(
        actor,
        Event.PERSON_USER_CREATED,
        Event.OPERATOR_USER_CREATED,
        user,
        {**_public(facts), **allowed.data},
        _private(facts, username=username),
    )
    allowed.use(entry)
    _write(user, facts)
    return user


@transaction.atomic
def change(
    *, actor: Actor, user_id: int, facts: PersonFacts, proof: stepup.Proof | None = None
) -> User:
    """Change an account to these attributes. Writes nothing when nothing changes.

    A person signs the whole change once: in an emergency one signature takes all groups and
    switches the account off. Nobody changes his own account: he would give himself a role, and end
    his own administration. Raises NotEntitled, BadValue, NoSuchObject, RoleConflict, and what
    `stepup.check` raises.
    """
    require(actor, USER_ADMIN)
    facts.check()
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NoSuchObject(f"account {user_id}")
    before = PersonFacts.of(user)
    refuse_conflict(facts.groups, superuser=user.is_superuser)
    if before == facts:
        return user
    if isinstance(actor, PersonActor) and actor.person == user.person:
        raise NotEntitled("nobody changes his own account: another administrator does")
    allowed = stepup.warrant(actor=actor, act=changing(user, facts), proof=proof)
    personal = _changed(before, facts)
    entry = _record(
        actor,
        Event.PERSON_USER_CHANGED,
        Event.OPERATOR_USER_CHANGED,
        user,
        {
            "before": _public(before),
            "after": _public(facts),
            "changed": [*personal],
            **allowed.data,
        },
        {name: value for name, value in _private(facts).items() if name in personal},
    )
    allowed.use(entry)
    _write(user, facts)
    return user


@transaction.atomic
def create_group(*, actor: Actor, name: str, proof: stepup.Proof | None = None) -> Group:
    """Create a group, to carry object rights. A person signs it with the passkey.

    Raises NotEntitled, BadValue, AlreadyExists, and what `stepup.check` raises.
    """
    require(actor, USER_ADMIN)
    if not _GROUP.fullmatch(name):
        raise BadValue("a group's name may only contain lower-case letters, digits and _")
    if Group.objects.filter(name=name).exists():
        raise AlreadyExists(f"there is already a group named {name}")
    allowed = stepup.warrant(actor=actor, act=creating_group(name), proof=proof)
    entry = log.append(
        action=Event.PERSON_GROUP_CHANGED
        if isinstance(actor, PersonActor)
        else Event.OPERATOR_GROUP_CHANGED,
        actor=actor.ref,
        object=f"group:{name}",
        data={"created": True, **allowed.data},
    )
    allowed.use(entry.id)
    return Group.objects.create(name=name)


def group_of(name: str) -> Group:
    """Return the group's row; create built-in groups when first needed. Raises NoSuchObject."""
    if name in BUILT_IN:
        return Group.objects.get_or_create(name=name)[0]
    found = Group.objects.filter(name=name).first()
    if found is None:
        raise NoSuchObject(f"group {name}")
    return found


def _write(user: User, facts: PersonFacts) -> None:
    user.email = facts.email
    user.first_name, user.last_name = facts.first_name, facts.last_name
    user.is_active = facts.active
    user.is_staff = bool(ADMIN_SITE & facts.groups)
    with translated():
        user.save()
        user.groups.set([group_of(name) for name in sorted(facts.groups)])


def _changed(before: PersonFacts, after: PersonFacts) -> tuple[str, ...]:
    """Return which personal attributes differ."""
    names = ("email", "first_name", "last_name")
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _keyed(private: dict[str, str]) -> str:
    """Return what binds a signature to personal data, and tells nobody without our key of it."""
    if not private:
        return ""
    return salted_hmac(_DETAILS, encode({**private}), algorithm="sha256").hexdigest()


def _public(facts: PersonFacts) -> dict[str, Json]:
    groups: list[Json] = [*sorted(facts.groups)]
    return {"active": facts.active, "groups": groups}


def _private(facts: PersonFacts, **more: str) -> dict[str, str]:
    """Return the personal data; the record holds commitments to it, so that it can be erased."""
    known = {
        "email": facts.email,
        "first_name": facts.first_name,
        "last_name": facts.last_name,
        **more,
    }
    return {name: value for name, value in known.items() if value}


def _record(
    actor: Actor,
    by_person: Event,
    by_operator: Event,
    user: User,
    data: dict[str, Json],
    private: dict[str, str],
) -> int:
    entry = log.append(
        action=by_person if isinstance(actor, PersonActor) else by_operator,
        actor=actor.ref,
        object=user.actor,
        data=data,
        private=private,
    )
    return entry.id
