"""People with passkeys, their groups and rights, the approvers file, invitations."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from guardian.models import UserObjectPermission

from hitlportal.demo.people.passkey import SoftPasskey
from remediation import models as m
from remediation.domain import b64url, policy
from remediation.domain.act import Act, ActStatement
from remediation.domain.events import Event
from remediation.domain.gate.approvers import Approver, Approvers, fingerprint
from remediation.services.people import accounts, object_rights, stepup
from remediation.services.people.accounts import PersonFacts
from remediation.services.people.object_rights import Place
from tests.factories.logins import OPERATOR, OPERATORS, WEB, entry, joining, number


@dataclass(frozen=True)
class Person:
    """An account with its passkey."""

    user: m.User
    passkey: SoftPasskey

    @property
    def id(self) -> UUID:
        return self.user.person

    @property
    def actor(self) -> str:
        return self.user.actor


def person(name: str = "", *, roles: Sequence[str] = (), active: bool = True) -> Person:
    """Make an account in these groups (security, lead, auditor, …) with a passkey."""
    name = name or f"person{number()}"
    user = m.User(username=name, email=f"{name}@example.org", is_active=active)
    user.set_unusable_password()
    facts = PersonFacts(user.email, active=active, groups=frozenset(roles))
    act = accounts.creating(name, facts)
    with empowered(Event.OPERATOR_USER_CREATED, act, user.actor):
        user.save(force_insert=True)
        for role in roles:
            user.groups.add(Group.objects.get_or_create(name=role)[0])
    return Person(user, passkey_of(user))


def ordered(action: str, act: Act, object: str = "") -> None:
    """Write what a command of an operator writes before it changes an account or a right."""
    allowed = stepup.Warrant(act, None)
    allowed.use(entry(action, OPERATOR, object or act.object, **allowed.data))


def _forged(action: str, act: Act, object: str) -> None:
    passkey, who = SoftPasskey.create(), uuid4()
    nonce, until = secrets.token_urlsafe(32), datetime.now(UTC) + timedelta(minutes=4)
    statement = ActStatement(act.name.value, act.object, act.digest, str(who), nonce, until)
    answer = passkey.assertion(statement.challenge(), settings.RP_ID, settings.ORIGIN)
    checked = stepup.Checked(stepup.Proof(statement, answer), passkey.cose_key)
    allowed = stepup.Warrant(act, checked)
    allowed.use(entry(action, f"person:{who}", object or act.object, **allowed.data))


@contextmanager
def empowered(action: str, act: Act, object: str = "") -> Iterator[None]:
    """Open a transaction that may change accounts and rights (sql/powers.sql).

    Under the real web login a person signs, with a passkey that nobody enrolled: the database
    cannot tell. Otherwise it is the owner's, which leaves no entry of its own.
    """
    if connection.settings_dict["USER"] == WEB:
        with joining(WEB):
            _forged(action.replace("operator:", "person:"), act, object)
            yield
    else:
        with joining("hitl_owner"):
            yield


def passkey_of(user: m.User) -> SoftPasskey:
    """Enrol a new passkey of the person; return it."""
    passkey = SoftPasskey.create()
    with joining(WEB):
        registration = passkey.registration(b"\0" * 32, settings.RP_ID, settings.ORIGIN)
        Authenticator.objects.create(
            user=user,
            type=Authenticator.Type.WEBAUTHN,
            data={"name": "test", "credential": registration},
        )
        m.PasskeyEnrolment.objects.create(
            person=user.person,
            credential_id=passkey.credential_id,
            cose_key=passkey.cose_key,
            entry=entry(
                Event.PERSON_PASSKEY_ENROLLED,
                user.actor,
                user.actor,
                credential_id=b64url.encode(passkey.credential_id),
                cose_key=b64url.encode(passkey.cose_key),
                fingerprint=fingerprint(passkey.cose_key),
                by="invitation",
            ),
        )
    return passkey


def join(user: m.User, role: str) -> None:
    facts = PersonFacts.of(user)
    act = accounts.changing(user, replace(facts, groups=facts.groups | {role}))
    with empowered(Event.OPERATOR_USER_CHANGED, act):
        user.groups.add(Group.objects.get_or_create(name=role)[0])


def regroup(user: m.User, *roles: str) -> None:
    """Put the person into these groups and no others."""
    act = accounts.changing(user, replace(PersonFacts.of(user), groups=frozenset(roles)))
    with empowered(Event.OPERATOR_USER_CHANGED, act):
        user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])


def grant(user: m.User, right: str, service: m.Service) -> None:
    """Grant an object right (view_service, review_service) on one service."""
    act = object_rights.setting(
        Place("service", service.name), right, held=True, person=user.person
    )
    with empowered(Event.OPERATOR_RIGHT_CHANGED, act):
        kind = ContentType.objects.get_for_model(m.Service)
        permission = kind.permission_set.get(codename=right)
        UserObjectPermission.objects.create(
            user=user, permission=permission, content_type=kind, object_pk=str(service.pk)
        )


def approvers(*people: Person, roles: Sequence[str] = policy.ROLES) -> Approvers:
    """Return an approvers file that holds these people's passkeys."""
    return Approvers(tuple(_approver(someone, roles) for someone in people))


def _approver(someone: Person, roles: Sequence[str]) -> Approver:
    return Approver(
        person=str(someone.id),
        credential_id=b64url.encode(someone.passkey.credential_id),
        cose_key=b64url.encode(someone.passkey.cose_key),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
        roles=tuple(roles),
        since=datetime.now(UTC) - timedelta(days=1),
        until=None,
    )


def invitation(someone: Person, by: Person | None = None) -> m.Invitation:
    with joining(WEB if by else OPERATORS):
        return m.Invitation.objects.create(
            person=someone.id,
            code_hash=sha256(secrets.token_bytes(16)).hexdigest(),
            created_by=by.actor if by else OPERATOR,
            entry=(
                entry(Event.PERSON_INVITATION_MADE, by.actor, someone.actor)
                if by
                else entry(Event.OPERATOR_INVITATION_MADE, OPERATOR, someone.actor)
            ),
        )


def use(invitation: m.Invitation) -> m.InvitationUse:
    actor = f"person:{invitation.person}"
    with joining(WEB):
        return m.InvitationUse.objects.create(
            invitation=invitation, entry=entry(Event.PERSON_PASSKEY_ENROLLED, actor, actor)
        )
