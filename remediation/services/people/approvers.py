"""Add and remove entries of the approvers file, as an operator.

Keys are those that people enrolled (`PasskeyEnrolment`). The operator compares the fingerprint
with the person outside the portal. The audit entry is committed before the file is replaced: a
crash between the two leaves an entry without effect, never the other way round; the operator
repeats the command.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import b64url, instant
from remediation.domain.errors import (
    AlreadyExists,
    BadValue,
    NoSuchObject,
    UnknownFingerprint,
    WrongState,
)
from remediation.domain.events import Event
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.policy import ROLES
from remediation.domain.slots import KEY_ROLES
from remediation.models import PasskeyEnrolment
from remediation.services import approvers_file
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.people import accounts

_FINGERPRINT = re.compile(r"[0-9a-f]{32}", re.ASCII)


def add(
    *,
    actor: Actor,
    path: Path,
    username: str,
    key: str,
    roles: tuple[str, ...],
    until: datetime | None = None,
) -> Approver:
    """Add an entry: this passkey of the person counts in these roles from now on.

    Raises BadValue, NoSuchObject (no such account), WrongState (it is inactive), RoleConflict (it
    administers users or agents), UnknownFingerprint, AlreadyExists, PolicyUnavailable.
    """
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(KEY_ROLES):
        raise BadValue(f"roles must be among {', '.join(KEY_ROLES)}, each at most once")
    now = database_now()
    if until is not None and until <= now:
        raise BadValue(f"{instant.dump(until)} is in the past")
    person = _approvable(username)
    enrolment = _enrolment(person, key)
    added = Approver(
        person=str(person),
        credential_id=b64url.encode(bytes(enrolment.credential_id)),
        cose_key=b64url.encode(bytes(enrolment.cose_key)),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
        roles=roles,
        since=now,
        until=until,
    )
    with approvers_file.changing(path) as before:
        try:
            # An entry of this passkey that has ended is replaced.
            others = (
                entry
                for entry in before.entries
                if entry.credential_id != added.credential_id
                or entry.until is None
                or entry.until > now
            )
            after = Approvers((*others, added))
        except BadValue as error:
            raise AlreadyExists("this passkey is already in the file; remove it first") from error
        _commit(actor, Event.OPERATOR_APPROVER_ADDED, path, [added], after)
    return added


def remove(*, actor: Actor, path: Path, username: str, key: str = "") -> list[Approver]:
    """End a person's entries now: the one with this fingerprint, or all of them.

    An ended entry stays in the file. It approves nothing new, but earlier approvals can still be
    verified and applied steps be rolled back. ``username`` may be the person's opaque id, for an
    account that no longer exists. Returns the ended entries.
    Raises BadValue, NoSuchObject, UnknownFingerprint, PolicyUnavailable.
    """
    person = _person(username)
    wanted = _normal(key) if key else ""
    now = database_now()
    with approvers_file.changing(path) as before:
        gone = [
            entry
            for entry in before.entries
            if entry.person == person
            and wanted in ("", _normal(entry.fingerprint))
            and (entry.until is None or entry.until > now)
        ]
        if not gone:
            raise UnknownFingerprint(f"the file has no matching entry of {username}")
        # An entry that was never valid verified nothing, so it is removed.
        kept = (
            replace(entry, until=now) if entry in gone else entry
            for entry in before.entries
            if entry not in gone or entry.since < now
        )
        after = Approvers(tuple(kept))
        _commit(actor, Event.OPERATOR_APPROVER_REMOVED, path, gone, after)
    return gone


def usernames() -> dict[str, str]:
    """Return user names by the person's opaque id, for the operator's list."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person, username FROM remediation.account")
        return {str(person): username for person, username in cursor.fetchall()}


def _account(username: str) -> tuple[UUID, bool, bool]:
    """Return person, activity and superuser flag of the account. Raises NoSuchObject."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person, active, superuser FROM remediation.account WHERE username = %s",
            [username],
        )
        row = cursor.fetchone()
    if row is None:
        raise NoSuchObject(f"there is no account named {username}")
    return row[0], row[1], row[2]


def _person(username: str) -> str:
    try:
        return str(UUID(username))
    except ValueError:
        return str(_account(username)[0])


def _approvable(username: str) -> UUID:
    person, active, superuser = _account(username)
    if not active:
        raise WrongState(f"the account of {username} is not active")
    with connection.cursor() as cursor:
        cursor.execute("SELECT role FROM remediation.entitlement WHERE person = %s", [person])
        groups = {row[0] for row in cursor.fetchall() if row[0]}
    # Verified again here: the web process writes groups, and must not be able to widen this file.
    accounts.refuse_conflict({*groups, *ROLES}, superuser=superuser)
    return person


def _enrolment(person: UUID, key: str) -> PasskeyEnrolment:
    """Return the person's enrolled passkey with this fingerprint. Raises UnknownFingerprint.

    Compares the whole fingerprint, computed from the key itself.
    """
    wanted = _normal(key)
    for enrolment in PasskeyEnrolment.objects.filter(person=person):
        if _normal(enrolment.fingerprint) == wanted:
            return enrolment
    raise UnknownFingerprint()


def _normal(fingerprint: str) -> str:
    """Return the fingerprint as 32 hexadecimal digits without separators. Raises BadValue."""
    text = re.sub(r"[\s:-]", "", fingerprint).lower()
    if not _FINGERPRINT.fullmatch(text):
        raise BadValue("give all 32 hexadecimal digits of the fingerprint")
    return text


def _commit(
    actor: Actor, event: Event, path: Path, entries: list[Approver], after: Approvers
) -> None:
    content = after.dump()
    Approvers.parse(content)  # never write a file that cannot be read again
    written = approvers_file.write_beside(path, content)
    try:
        with transaction.atomic():
            for entry in entries:
                log.append(
                    action=event, actor=actor.ref, object=f"person:{entry.person}",
                    data=_public(entry),
                )  # fmt: skip
        os.replace(written, path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    approvers_file.flush_directory(path.parent)


def _public(entry: Approver) -> dict[str, Json]:
    known: dict[str, Json] = {**entry.to_json(), "fingerprint": entry.fingerprint}
    del known["person"]
    return known
