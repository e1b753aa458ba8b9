"""Serve step 7 of the gate on the worker's host: trusted keys, remembered head, proofs.

The head is read, judged and stored under one lock of the host, so that two workers cannot accept
two different logs.
"""

from __future__ import annotations

import errno
import logging
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from audit import inclusion as log
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import TlogError, UnknownKey
from audit.tlog.head import HeadFile
from audit.tlog.note import Note
from audit.tlog.policy import Policy
from audit.verifying import verify
from remediation.domain.errors import AuditUnavailable, BadInclusion
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.inclusion import LogEvidence, LogTrust, RecordedEntry
from remediation.models import Proposal

logger = logging.getLogger(__name__)

# The entries that an approval depends on: of each review of the round, of a narrowing that counts
# in it, and of the last approval.
_NEEDED = """
SELECT r.entry FROM public.remediation_review r WHERE r.proposal_id = %s AND r.round = %s
UNION ALL
SELECT n.entry FROM public.remediation_narrowing n
  JOIN public.remediation_assessment a ON a.proposal_id = n.proposal_id AND a.narrowing_counts
 WHERE n.proposal_id = %s AND a.round = %s
UNION ALL
(SELECT t.entry FROM public.remediation_transition t
  WHERE t.proposal_id = %s AND t.to_state = 'approved' ORDER BY t.id DESC LIMIT 1)
"""


@dataclass(frozen=True)
class Judged:
    """The evidence with the log's proofs, and the keys and head that this host trusts."""

    evidence: Evidence
    trust: LogTrust


@contextmanager
def judging(proposal: Proposal, gather: Callable[[], Evidence]) -> Iterator[Judged]:
    """Give the evidence with the log's proofs; store the head when the block ends without error.

    Usually the sequencer has integrated the entries before the message arrives. If not, this waits,
    holding neither a transaction nor the head's lock, and calls ``gather`` again, since the first
    evidence is then too old. A crash before the head is stored leaves the older one, which the log
    still extends. Raises AuditUnavailable after HITL_AUDIT_WAIT_MS, and BadInclusion when the log
    contradicts the remembered head or a proof.
    """
    needed, believed, head = _needed(proposal), policy(), _head_file()
    evidence = gather()
    for last in (False, True):
        with _alone(head):
            found = _prove(needed, believed, head, last=last)
            if found is not None:
                included, seen = found
                yield Judged(_with(evidence, included), LogTrust(believed, seen, verify))
                _remember(head, seen, included.note)
                return
        with _named():
            log.wait(needed, policy=believed, wait_s=settings.AUDIT_WAIT_MS / 1000)
        evidence = gather()


def _prove(
    needed: list[int], believed: Policy, head: HeadFile, *, last: bool
) -> tuple[log.Included, Checkpoint | None] | None:
    seen = _seen(head, believed)
    with _named():
        try:
            return log.prove(needed, policy=believed, seen=seen), seen
        except log.Unavailable:
            if last:
                raise
            return None


def _with(evidence: Evidence, found: log.Included) -> Evidence:
    try:
        entries = tuple(
            RecordedEntry(one.index, one.body.decode(), one.hashes) for one in found.entries
        )
    except UnicodeDecodeError as error:
        raise BadInclusion(f"an entry is not UTF-8 text: {error}") from error
    return replace(evidence, log=LogEvidence(found.note, entries, found.consistency))


def _remember(head: HeadFile, seen: Checkpoint | None, note: str) -> None:
    if seen is None:
        logger.warning("%s: the first head that this host remembers", head.path)
    elif Checkpoint.parse(Note.parse(note).text) == seen:
        return
    try:
        head.write(note)
    except OSError as error:
        raise AuditUnavailable(f"the head cannot be stored: {error.strerror}") from error


def policy() -> Policy:
    """Return the present policy file. Raises AuditUnavailable when it is missing or invalid."""
    if not settings.AUDIT_POLICY_FILE:
        raise AuditUnavailable("this worker has no audit policy (HITL_AUDIT_POLICY_FILE)")
    path = Path(settings.AUDIT_POLICY_FILE)
    try:
        _check_private(path)
        return Policy.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TlogError) as error:
        raise AuditUnavailable(f"audit policy: {error}") from error


def _head_file() -> HeadFile:
    if not settings.AUDIT_HEAD_FILE:
        raise AuditUnavailable("this worker has no file for the head (HITL_AUDIT_HEAD_FILE)")
    return HeadFile(settings.AUDIT_HEAD_FILE)


def _seen(head: HeadFile, believed: Policy) -> Checkpoint | None:
    """Return the head that this host accepted last; None at the first use of this log.

    A file that cannot be read, or whose signature is invalid, neither counts as the first use nor
    proves a fork: nothing runs until an operator repairs it.
    """
    try:
        note = head.read()
        if note is None:
            return None
        _check_private(head.path)
        try:
            return opened(note, believed.logs, verify)
        except UnknownKey:
            # Signed by a key that was replaced since, or by another log, which `advance` refuses.
            return Checkpoint.parse(Note.parse(note).text)
    except (OSError, TlogError) as error:
        logger.error("the remembered head %s is damaged: %s", head.path, error)
        raise AuditUnavailable(f"the remembered head: {error}") from error


def _check_private(path: Path) -> None:
    """Refuse a file that group or others can write: it decides which log is trusted."""
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "group or others can write it", str(path))


@contextmanager
def _alone(head: HeadFile) -> Iterator[None]:
    """Hold this host's lock on the head. Raises AuditUnavailable."""
    with ExitStack() as held:
        try:
            held.enter_context(head.locked(settings.AUDIT_WAIT_MS / 1000))
        except OSError as error:
            raise AuditUnavailable(f"the remembered head: {error}") from error
        yield


@contextmanager
def _named() -> Iterator[None]:
    """Translate errors of the log into refusals of the gate."""
    try:
        yield
    except log.Unavailable as error:
        raise AuditUnavailable(error.detail) from error
    except TlogError as error:
        raise BadInclusion(str(error)) from error
    except DatabaseError as error:
        raise AuditUnavailable(f"the log cannot be read: {type(error).__name__}") from error


def _needed(proposal: Proposal) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_NEEDED, [*(proposal.pk, proposal.round) * 2, proposal.pk])
        return [int(row[0]) for row in cursor.fetchall()]
