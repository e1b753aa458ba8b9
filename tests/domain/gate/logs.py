"""Ask step 7 of the gate about logs that a test builds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from remediation.domain.errors import AuditUnavailable, BadInclusion, Next
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.gate import Clearance
from remediation.domain.gate.inclusion import LogEvidence, LogTrust
from tests.domain import record
from tests.domain.record import Book
from tests.domain.story import NOW, Story, approvers

GOOD = Story().evidence()
KNOWN = approvers()
SEEN = 2


def verify(evidence: Evidence, log: Any, *, now: datetime = NOW) -> Clearance:
    return gate.verify(evidence, approvers=approvers(), now=now, monotonic=0.0, log=log)


def holds(log: LogEvidence | None, trust: LogTrust | None = None) -> None:
    verify(replace(GOOD, log=log), trust or record.trust())


def refused(
    log: LogEvidence | None, trust: LogTrust | None = None, match: str | None = None
) -> None:
    with pytest.raises(BadInclusion, match=match) as found:
        holds(log, trust)
    assert found.value.next is Next.REFUSE


def waits(log: LogEvidence | None, trust: LogTrust, match: str | None = None) -> None:
    with pytest.raises(AuditUnavailable, match=match) as found:
        holds(log, trust)
    assert found.value.next is Next.RETRY


def book() -> tuple[Book, list[int]]:
    return record.told(GOOD)
