"""Who may approve: entries of the approvers file, added and removed by an operator.

Keys come from what people enrolled (`PasskeyEnrolment`); the operator compared the fingerprint
with the person, by another way than the portal's pages. The audit entry is committed before the
file is replaced: a crash between the two leaves an entry without effect, never an effect without
entry, and the command can be repeated.
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
from remediation.domain.ruling import KEY_ROLES
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
    """Let a person approve with the passkey of this fingerprint, in these roles, from now on.

    Raises BadValue, NoSuchObject (no such account), WrongState (it is inactive), RoleConflict (it
    administers users or agents), UnknownFingerprint, AlreadyExists, PolicyUnavailable.
    """
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(KEY_ROLES):
        raise BadValue(f"roles are of {', '.join(KEY_ROLES)}, each once")
    now = database_now()
    if until is not None and until <= now:
        raise BadValue(f"{instant.dump(until)} has passed")
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
            # A passkey whose entry has ended begins anew.
            others = (
                entry
                for entry in before.entries
                if entry.credential_id != added.credential_id
                or entry.until is None
                or entry.until > now
            )
            after = Approvers((*others, added))
        except BadValue as error:
            raise AlreadyExists("this passkey is in the file; remove it first") from error
        _commit(actor, Event.OPERATOR_APPROVER_ADDED, path, [added], after)
    return added


def remove(*, actor: Actor, path: Path, username: str, key: str = "") -> list[Approver]:
    """End a person's entries from now on: the one with this fingerprint, or all of them.

    An ended entry stays in the file: it approves nothing more, and what was approved with it
    before can still be verified and, if it was applied, be undone.

    ``username`` may be the opaque person, for an account that is no longer there.
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
            raise UnknownFingerprint(f"the file has no such entry of {username}")
        # An entry that was never valid is taken out: it has verified nothing.
        kept = (
            replace(entry, until=now) if entry in gone else entry
            for entry in before.entries
            if entry not in gone or entry.since < now
        )
        after = Approvers(tuple(kept))
        _commit(actor, Event.OPERATOR_APPROVER_REMOVED, path, gone, after)
    return gone


def usernames() -> dict[str, str]:
    """Names of accounts by person, for the operator's list."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person, username FROM remediation.account")
        return {str(person): username for person, username in cursor.fetchall()}


def _account(username: str) -> tuple[UUID, bool, bool]:
    """Person, activity, superuser. Raises NoSuchObject."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person, active, superuser FROM remediation.account WHERE username = %s",
            [username],
        )
        row = cursor.fetchone()
    if row is None:
        raise NoSuchObject(f"no account is called {username}")
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
    # Asked again here, since the web process writes groups and this file is not its to widen.
    accounts.refuse_conflict({*groups, *ROLES}, superuser=superuser)
    return person


def _enrolment(person: UUID, key: str) -> PasskeyEnrolment:
    """The enrolled passkey whose whole fingerprint is this one; computed from the key itself."""
    wanted = _normal(key)
    for enrolment in PasskeyEnrolment.objects.filter(person=person):
        if _normal(enrolment.fingerprint) == wanted:
            return enrolment
    raise UnknownFingerprint()


def _normal(fingerprint: str) -> str:
    """32 hexadecimal digits, however they were grouped. Raises BadValue for less than all."""
    text = re.sub(r"[\s:-]", "", fingerprint).lower()
    if not _FINGERPRINT.fullmatch(text):
        raise BadValue("a fingerprint has 32 hexadecimal digits, and all of them are needed")
    return text


def _commit(
    actor: Actor, event: Event, path: Path, entries: list[Approver], after: Approvers
) -> None:
    content = after.dump()
    Approvers.parse(content)  # what is written can be read again
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
