"""The formats of records in evidence: one file and one entry in FORMATS for each.

Every format yields the same record (`record.Event`): who, what, when, where, and the outcome.
Evidence is untrusted: anything of another form is ignored, and nothing here raises.
"""

from __future__ import annotations

from remediation.domain.formats.cloudtrail import CloudTrail
from remediation.domain.formats.elastic import ElasticCloudTrail
from remediation.domain.formats.form import Format
from remediation.domain.formats.server_log import ServerLog

# The first format that recognises a record reads it, alone: the more exact ones stand first.
FORMATS: tuple[Format, ...] = (CloudTrail(), ElasticCloudTrail(), ServerLog())
