"""The task that verifies the log daily and records the result as an entry."""

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
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import TlogError, UnknownKey
from audit.tlog.head import HeadFile
from audit.tlog.note import Note
from audit.tlog.policy import Policy
from audit.verifying import verify as check_signature

logger = logging.getLogger(__name__)

# Two at the same time would only take longer.
LOCK = 0x6673_636B  # "fsck"


@shared_task(name="audit.verify", acks_late=False, time_limit=3600)
def verify() -> None:
    """Verify the log, record the result, and mail people when verification fails."""
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
        found = fsck.verify(policy, seen=_remembered(policy))
    except (TlogError, OSError, ValueError, DatabaseError) as error:
        # An unverifiable log counts as broken, because nobody would notice a failed task.
        problem = _plain(str(error))
        _record("system:log:broken", {"problem": problem})
        logger.critical("the audit log failed verification: %s", problem)
        if settings.AUDIT_ALARM_TO:
            send_mail(
                "The audit log failed verification",
                f"{problem}\n\nStop, keep the database as it is, and compare with the witnesses.\n",
                None,
                settings.AUDIT_ALARM_TO,
            )
        return
    data: dict[str, Json] = {"size": found.size, "root": found.root.hex(), "heads": found.heads}
    if found.forged:
        # They stay for ever, so every day says so; the tree itself holds.
        data |= {"forged": len(found.forged), "first_forged": list(found.forged[:20])}
        logger.critical(
            "%d entries are not by the login that their actor has, the first is leaf %d",
            len(found.forged),
            found.forged[0],
        )
    _record("system:log:verified", data)


def _plain(text: str) -> str:
    """Remove characters that an entry cannot contain (NUL, lone surrogates); rows may hold any."""
    return text[:2000].encode("ascii", errors="backslashreplace").decode().replace("\0", "\\0")


def _remembered(policy: Policy) -> Checkpoint | None:
    """Return this host's head. Raises BadSignature for a line that a known key did not sign."""
    note = HeadFile(settings.AUDIT_HEAD_FILE).read() if settings.AUDIT_HEAD_FILE else None
    if note is None:
        return None
    try:
        return opened(note, policy.logs, check_signature)
    except UnknownKey:
        # Signed by a key that was replaced since. Its root is still compared.
        return Checkpoint.parse(Note.parse(note).text)


def _record(action: str, data: dict[str, Json]) -> None:
    with transaction.atomic():
        log.append(action=action, actor="system:verification", object="log:all", data=data)
