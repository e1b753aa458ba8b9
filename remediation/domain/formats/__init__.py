"""The formats of records in evidence: one file and one entry in FORMATS for each.

Every format yields the same record (`record.Event`): who, what, when, where, and the outcome.
Evidence is untrusted: anything of another form is ignored, and nothing here raises.
"""

from __future__ import annotations

from remediation.domain.formats.azure import Azure
from remediation.domain.formats.cloudtrail import CloudTrail
from remediation.domain.formats.elastic import ElasticCloudTrail
from remediation.domain.formats.falco import Falco
from remediation.domain.formats.form import Format
from remediation.domain.formats.github import GitHubAudit, GitHubWebhook
from remediation.domain.formats.gitlab import GitLab
from remediation.domain.formats.google_cloud import GoogleCloud
from remediation.domain.formats.guardduty import GuardDuty
from remediation.domain.formats.kubernetes import Kubernetes
from remediation.domain.formats.microsoft365 import Microsoft365
from remediation.domain.formats.ocsf import Ocsf
from remediation.domain.formats.okta import Okta
from remediation.domain.formats.security_hub import SecurityHub
from remediation.domain.formats.server_log import ServerLog
from remediation.domain.formats.slack import Slack
from remediation.domain.formats.snowflake import Snowflake

# The first format that recognises a record reads it, alone: the more exact ones stand first.
FORMATS: tuple[Format, ...] = (
    CloudTrail(),
    ElasticCloudTrail(),
    GuardDuty(),
    SecurityHub(),
    Ocsf(),
    Kubernetes(),
    Falco(),
    GoogleCloud(),
    Azure(),
    Microsoft365(),
    Okta(),
    GitHubAudit(),
    GitHubWebhook(),
    GitLab(),
    Slack(),
    Snowflake(),
    ServerLog(),
)
