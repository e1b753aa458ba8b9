"""The daily verification of the log, as a task; what it finds is itself an entry."""

from __future__ import annotations

import logging
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.db import DatabaseError, connection, transaction

from audit import fsck, log
from audit.alone import ALONE
from audit.tlog.canonical import Json
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.head import HeadFile
from audit.tlog.note import Note
from audit.tlog.policy import Policy

logger = logging.getLogger(__name__)

# Two at once would only take twice as long.
LOCK = 0x6673_636B  # "fsck"


@shared_task(name="audit.verify", acks_late=False, time_limit=3600)
def verify() -> None:
    """Verify, put the result on record, and tell people when the log does not hold."""
    with connection.cursor() as cursor:
        cursor.execute(ALONE, {"lock": LOCK})
        if not cursor.fetchone()[0]:
            return
    try:
        _verify()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _verify() -> None:
    try:
        policy = Policy.parse(Path(settings.AUDIT_POLICY_FILE).read_text(encoding="utf-8"))
        found = fsck.verify(policy, seen=_remembered())
    except (TlogError, OSError, ValueError, DatabaseError) as error:
        # What cannot be verified does not hold: nobody would look at a task that failed.
        problem = _plain(str(error))
        _record("system:log:broken", {"problem": problem})
        logger.critical("the audit log does not hold: %s", problem)
        if settings.AUDIT_ALARM_TO:
            send_mail(
                "The audit log does not hold",
                f"{problem}\n\nStop, keep the database as it is, and compare with the witnesses.\n",
                None,
                settings.AUDIT_ALARM_TO,
            )
        return
    _record(
        "system:log:verified",
        {"size": found.size, "root": found.root.hex(), "heads": found.heads},
    )


def _plain(text: str) -> str:
    """What a row says may be anything; an entry takes no NUL and no half of a character."""
    return text[:2000].encode("ascii", errors="backslashreplace").decode().replace("\0", "\\0")


def _remembered() -> Checkpoint | None:
    note = HeadFile(settings.AUDIT_HEAD_FILE).read() if settings.AUDIT_HEAD_FILE else None
    return Checkpoint.parse(Note.parse(note).text) if note else None


def _record(action: str, data: dict[str, Json]) -> None:
    with transaction.atomic():
        log.append(action=action, actor="system:verification", object="log:all", data=data)
