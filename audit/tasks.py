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
from audit.tlog.canonical import Json, read
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import TlogError, UnknownKey
from audit.tlog.head import HeadFile
from audit.tlog.note import Note
from audit.tlog.policy import Policy
from audit.verifying import verify as check_signature

logger = logging.getLogger(__name__)

# Two at the same time would only take longer.
LOCK = 0x6673_636B  # "fsck"
LAST = """
SELECT e.body FROM audit.search s JOIN audit.entry e ON e.id = s.entry_id
 WHERE s.action = 'system:log:verified' ORDER BY s.idx DESC LIMIT 1
"""


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
        _alarm("The audit log failed verification", problem)
        return
    data: dict[str, Json] = {"size": found.size, "root": found.root.hex(), "heads": found.heads}
    for name, leaves, words in (
        ("forged", found.forged, "entries are not by the login that their actor has"),
        ("unsigned", found.unsigned, "acts were not signed by the person that the entry names"),
    ):
        if not leaves:
            continue
        # They stay for ever, so every day's entry says so; the tree itself holds.
        data |= {name: len(leaves), f"first_{name}": list(leaves[:20])}
        problem = f"{len(leaves)} {words}, the first is leaf {leaves[0]}, the last {leaves[-1]}"
        logger.critical(problem)
        if len(leaves) > _count_before(name):
            _alarm("The audit log holds entries that are not to be believed", problem)
    _record("system:log:verified", data)


def _count_before(name: str) -> int:
    """Return how many the last verification counted: people get a mail for new ones only."""
    with connection.cursor() as cursor:
        cursor.execute(LAST)
        row = cursor.fetchone()
    said = (read(bytes(row[0])) or {}) if row else {}
    count = said.get("data", {}).get(name, 0)
    return count if isinstance(count, int) else 0


def _alarm(subject: str, problem: str) -> None:
    if settings.AUDIT_ALARM_TO:
        text = f"{problem}\n\nStop, keep the database as it is, and compare with the witnesses.\n"
        send_mail(subject, text, None, settings.AUDIT_ALARM_TO)


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
