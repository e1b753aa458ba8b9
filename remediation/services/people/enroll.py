"""Enrol people: one-time codes and passkeys.

The first passkey needs a code from an operator. It is valid once, for fifteen minutes of the
database's clock. Every further passkey needs one that the account already holds (A21). An
enrolled passkey can sign in; to approve, it must also be in the approvers file.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from fido2 import cbor

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import b64url
from remediation.domain.act import Act, ActName
from remediation.domain.errors import (
    BadValue,
    Conflict,
    InvitationInvalid,
    LastPasskey,
    NoSuchObject,
    NotEntitled,
    PasskeyRefused,
    SignedOut,
    WrongState,
)
from remediation.domain.events import Event
from remediation.domain.gate.approvers import fingerprint
from remediation.domain.inert import visible
from remediation.models import Invitation, InvitationUse, PasskeyEnrolment, User
from remediation.services import guards
from remediation.services.actors import Actor, PersonActor
from remediation.services.people import accounts, registration, stepup
from remediation.services.people.registration import Registration

WEBAUTHN = Authenticator.Type.WEBAUTHN
# Crockford's base 32, without I, L, O and U, which are easily confused. 20 characters hold
# 100 bits, so the hash needs no salt and need not be slow.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH, _GROUP = 20, 5
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
MAX_PASSKEYS = 10
MAX_NAME = 80


@dataclass(frozen=True)
class Held:
    """A passkey of an account, as shown to its person and to administrators."""

    id: int
    name: str
    fingerprint: str
    created_at: datetime
    last_used_at: datetime | None


def passkeys_of(user: User) -> list[Held]:
    """Return the passkeys that can sign in to the account, oldest first."""
    return [
        Held(row.pk, row.wrap().name, _fingerprint(row), row.created_at, row.last_used_at)
        for row in _passkeys(user).order_by("pk")
    ]


# ---- operators and administrators ----------------------------------------------------------------


def inviting(user: User) -> Act:
    """Return the act of `invite`, to be signed by a person."""
    return Act(ActName.INVITE, user.actor, {"username": user.username})


@transaction.atomic
def invite(*, actor: Actor, username: str, proof: stepup.Proof | None = None) -> str:
    """Return a one-time code for a person without a passkey. It makes earlier codes void.

    An operator or a user administrator invites. The passkey that the code enrols can sign in; it
    approves nothing until an operator adds its key to the approvers file. The code is stored only
    as a hash. A person signs it with the passkey (docs/attacks.md A76); an operator has none.
    Raises NotEntitled, NoSuchObject, WrongState, and what `stepup.check` raises.
    """
    accounts.require(actor, accounts.USER_ADMIN)
    user = _locked(username=username)
    if not user.is_active:
        raise WrongState(f"the account of {username} is not active")
    if _passkeys(user).exists():
        raise WrongState(f"{username} has a passkey; if it is lost, reset the account first")
    signed = _signed(actor, user, proof)
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    by_person = isinstance(actor, PersonActor)
    entry = log.append(
        action=Event.PERSON_INVITATION_MADE if by_person else Event.OPERATOR_INVITATION_MADE,
        actor=actor.ref,
        object=user.actor,
        data={"step_up": signed.data} if signed else {},
    )
    if signed:
        signed.use(entry.id)
    Invitation.objects.create(
        person=user.person, code_hash=_hash(user, code), created_by=actor.ref, entry=entry.id
    )
    return "-".join(code[start : start + _GROUP] for start in range(0, _CODE_LENGTH, _GROUP))


@transaction.atomic
def reset(*, actor: Actor, username: str) -> list[str]:
    """Remove all passkeys and the password of an account, so that its person can be invited again.

    Returns the fingerprints of the removed passkeys. Entries in the approvers file stay until an
    operator on the worker's host removes them. Raises NotEntitled, NoSuchObject.
    """
    accounts.require(actor)
    user = _locked(username=username)
    gone = [_fingerprint(row) for row in _passkeys(user)]
    fingerprints: list[Json] = [*gone]
    log.append(
        action=Event.OPERATOR_PASSKEYS_REMOVED,
        actor=actor.ref,
        object=user.actor,
        data={"fingerprints": fingerprints, "password": "taken away"},
    )
    _passkeys(user).delete()
    user.set_unusable_password()
    user.save(update_fields=["password"])
    return gone


# ---- the person ----------------------------------------------------------------------------------


def open_invitation(*, username: str, code: str) -> User:
    """Return the account of a valid code; writes nothing.

    Raises InvitationInvalid, which does not say what was wrong, so that nobody learns which names
    exist.
    """
    return _invited(username, code)[0]


@transaction.atomic
def redeem(
    *,
    username: str,
    code: str,
    password: str,
    name: str,
    credential: Mapping[str, Any],
    challenge: bytes,
) -> Authenticator:
    """Use the code: set the password and store the first passkey, in one transaction.

    ``credential`` is the browser's RegistrationResponseJSON, ``challenge`` the one that the view
    stored in the session.
    Raises InvitationInvalid, BadValue (password, name), PasskeyRefused, WrongState.
    """
    user, invitation = _invited(username, code)
    user = _locked(username=user.username)
    if _passkeys(user).exists():
        raise WrongState("the account already has a passkey")
    passkey = registration.verify(credential, challenge)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise BadValue(" ".join(error.messages)) from None
    entry_id = _record(user, passkey, by="invitation")
    try:
        with guards.translated():
            InvitationUse.objects.create(invitation=invitation, entry=entry_id)
    except Conflict as error:
        raise InvitationInvalid() from error
    user.set_password(password)
    user.save(update_fields=["password"])
    return _store(user, name, passkey, entry_id)


@transaction.atomic
def add_passkey(
    *, actor: User, name: str, credential: Mapping[str, Any], challenge: bytes
) -> Authenticator:
    """Add a further passkey. The caller has just verified one that the account holds.

    Raises NotEntitled (no passkey yet, or inactive), BadValue (name), PasskeyRefused, WrongState.
    """
    user = _locked(pk=actor.pk)
    held = _passkeys(user).count()
    if not user.is_active or not held:
        raise NotEntitled("enrolling a passkey needs another passkey or a one-time code")
    if held >= MAX_PASSKEYS:
        raise WrongState(f"an account may have at most {MAX_PASSKEYS} passkeys")
    passkey = registration.verify(credential, challenge)
    return _store(user, name, passkey, _record(user, passkey, by="passkey"))


@transaction.atomic
def remove_passkey(*, actor: User, authenticator_id: int) -> None:
    """Remove one of the person's own passkeys, never the last.

    Ends the person's sessions; the caller keeps the present one (`sessions.keep`). Refuses when
    another session ended the present one since the request began. Raises NoSuchObject,
    LastPasskey, SignedOut.
    """
    user = _locked(pk=actor.pk)
    if user.session_epoch != actor.session_epoch:
        raise SignedOut("nothing was changed")
    row = _passkeys(user).filter(pk=authenticator_id).first()
    if row is None:
        raise NoSuchObject()
    if _passkeys(user).count() == 1:
        raise LastPasskey()
    log.append(
        action=Event.PERSON_PASSKEY_REMOVED,
        actor=user.actor,
        object=user.actor,
        data={"fingerprint": _fingerprint(row)},
    )
    row.delete()
    # The deletion ended the sessions; the account is locked, so this is the epoch that it made.
    user.refresh_from_db(fields=["session_epoch"])
    actor.session_epoch = user.session_epoch


# ---- parts ---------------------------------------------------------------------------------------


def _signed(actor: Actor, user: User, proof: stepup.Proof | None) -> stepup.Checked | None:
    """Return the checked signature of a person who invites; None for an operator."""
    if not isinstance(actor, PersonActor):
        return None
    person = User.objects.get(person=actor.person)
    return stepup.check(actor=person, act=inviting(user), proof=proof)


def _locked(**which: Any) -> User:
    """Return the account and lock it until the transaction ends. Raises NoSuchObject.

    Without the lock two removals could remove the last two passkeys, and two codes could both be
    the newest.
    """
    user = User.objects.select_for_update().filter(**which).first()
    if user is None:
        raise NoSuchObject("there is no such account")
    return user


def _invited(username: str, code: str) -> tuple[User, Invitation]:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise InvitationInvalid()
    newest = Invitation.objects.filter(person=user.person).order_by("-id").values("pk")[:1]
    invitation = Invitation.objects.filter(
        pk__in=newest,
        code_hash=_hash(user, code),
        expires_at__gt=Now(),
        invitationuse__isnull=True,
    ).first()
    if invitation is None:
        raise InvitationInvalid()
    return user, invitation


def _hash(user: User, code: str) -> str:
    """Return the stored form of the code, bound to the person so that it fits no other account."""
    normal = code.upper().translate(_READ_AS)
    return sha256(f"hitlportal/invitation/v1\0{user.person}\0{normal}".encode()).hexdigest()


def _record(user: User, passkey: Registration, *, by: str) -> int:
    """Append the entry of an enrolment, for operators and auditors to compare; return its id."""
    return log.append(
        action=Event.PERSON_PASSKEY_ENROLLED,
        actor=user.actor,
        object=user.actor,
        data={
            "credential_id": b64url.encode(passkey.credential_id),
            "cose_key": b64url.encode(passkey.cose_key),
            "fingerprint": passkey.fingerprint,
            "by": by,
        },
    ).id


def _store(user: User, name: str, passkey: Registration, entry_id: int) -> Authenticator:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or visible(name) != name or not name.isprintable():
        raise BadValue(f"a passkey's name needs 1 to {MAX_NAME} characters in one line")
    try:
        PasskeyEnrolment.objects.create(
            person=user.person,
            credential_id=passkey.credential_id,
            cose_key=passkey.cose_key,
            entry=entry_id,
        )
    except IntegrityError as error:
        # WebAuthn section 7.1, step 26: a credential is registered only once.
        if "passkeyenrolment" not in guards.constraint(error):
            raise
        raise PasskeyRefused("this passkey is already enrolled") from error
    return Authenticator.objects.create(
        user=user, type=WEBAUTHN, data={"name": name, "credential": passkey.credential}
    )


def _passkeys(user: User) -> Any:
    return Authenticator.objects.filter(user=user, type=WEBAUTHN)


def _fingerprint(row: Authenticator) -> str:
    return fingerprint(cbor.encode(row.wrap().authenticator_data.credential_data.public_key))
