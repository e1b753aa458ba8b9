"""The executors of TLS certificates: issued by OpenBao, delivered, seen at each server, revoked."""

from __future__ import annotations

from remediation.domain.catalogue.tls import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.tls_issue import Issue
from remediation.executors.tls_places import read
from remediation.executors.tls_revoke import Revoke

DRIVER = Driver(PROVIDER.name, (Issue, Revoke), read)
