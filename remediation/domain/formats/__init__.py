"""Formats of records in evidence: one file each, one entry each in FORMATS.

A record is what every format gives: who, what, when, where, and how it ended (`record.Event`).
Evidence is foreign: whatever has another shape is left out, and nothing here raises.
"""

from __future__ import annotations

from remediation.domain.formats.cloudtrail import CloudTrail
from remediation.domain.formats.form import Format
from remediation.domain.formats.server_log import ServerLog

# Where two of them read one record, what the first one says counts.
FORMATS: tuple[Format, ...] = (CloudTrail(), ServerLog())
