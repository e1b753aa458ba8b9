"""The approvers file of this worker's host: read whole or not at all, changed by an operator.

Keys come from what people enrolled (`PasskeyEnrolment`); the operator compared the fingerprint
with the person, by another way than the portal's pages. The file is replaced by a rename, so a
reader finds the old one or the new one. The audit entry is committed first: a crash between the
two leaves an entry without effect, never an effect without entry, and the command can be repeated.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import b64url, instant
from remediation.domain.approvers import Approver, Approvers
from remediation.domain.errors import (
    AlreadyExists,
    BadInput,
    BadValue,
    NoSuchObject,
    PolicyUnavailable,
    UnknownFingerprint,
    WrongState,
)
from remediation.domain.events import Event
from remediation.domain.policy import ROLES
from remediation.models import PasskeyEnrolment
from remediation.services import people
from remediation.services.actors import Actor
from remediation.services.clock import database_now

# Anybody who writes this file approves: not even the group may.
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_FINGERPRINT = re.compile(r"[0-9a-f]{32}", re.ASCII)


def load(path: Path) -> Approvers:
    """Read the file. Raises PolicyUnavailable when it is missing, open to others or in doubt."""
    try:
        if path.stat().st_mode & _WRITABLE_BY_OTHERS:
            raise PolicyUnavailable(f"{path} can be written by group or others")
        return Approvers.parse(path.read_bytes())
    except OSError as error:
        raise PolicyUnavailable(f"{path}: {error.strerror}") from error
    except BadInput as error:
        raise PolicyUnavailable(f"{path}: {error}") from error


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
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(ROLES):
        raise BadValue(f"roles are of {', '.join(ROLES)}, each once")
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
    with _changing(path) as before:
        try:
            after = Approvers((*before.entries, added))
        except BadValue as error:
            raise AlreadyExists("this passkey is in the file; remove it first") from error
        _commit(actor, Event.OPERATOR_APPROVER_ADDED, path, [added], after)
    return added


def remove(*, actor: Actor, path: Path, username: str, key: str = "") -> list[Approver]:
    """Take a person's entries out of the file: the one with this fingerprint, or all of them.

    ``username`` may be the opaque person, for an account that is no longer there.
    Raises BadValue, NoSuchObject, UnknownFingerprint, PolicyUnavailable.
    """
    person = _person(username)
    wanted = _normal(key) if key else ""
    with _changing(path) as before:
        gone = [
            entry
            for entry in before.entries
            if entry.person == person and wanted in ("", _normal(entry.fingerprint))
        ]
        if not gone:
            raise UnknownFingerprint(f"the file has no such entry of {username}")
        after = Approvers(tuple(entry for entry in before.entries if entry not in gone))
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
    people.refuse_conflict({*groups, *ROLES}, superuser=superuser)
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


@contextmanager
def _changing(path: Path) -> Iterator[Approvers]:
    """The file's content, while no other operator changes it. A missing file is an empty one."""
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield load(path) if path.exists() else Approvers(())
        finally:
            os.close(directory)
    except OSError as error:
        raise PolicyUnavailable(f"{path}: {error.strerror}") from error


def _commit(
    actor: Actor, event: Event, path: Path, entries: list[Approver], after: Approvers
) -> None:
    content = after.dump()
    Approvers.parse(content)  # what is written can be read again
    written = _write_beside(path, content)
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
    _flush_directory(path.parent)


def _public(entry: Approver) -> dict[str, Json]:
    known: dict[str, Json] = {**entry.to_json(), "fingerprint": entry.fingerprint}
    del known["person"]
    return known


def _write_beside(path: Path, content: bytes) -> Path:
    """A new file in the same directory, on disk before it is renamed; 0600, or what an operator
    chose for the one before (such as: readable for the worker's group)."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if path.exists():
                before = path.stat()
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & 0o640)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    return written


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
