"""The executors of TLS certificates, and of what clients trust."""

from __future__ import annotations

from remediation.domain.catalogue.tls import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.libraries import HVAC
from remediation.executors.tls_issue import Issue
from remediation.executors.tls_places import read
from remediation.executors.tls_revoke import Revoke
from remediation.executors.tls_trust import Add, Remove

DRIVER = Driver(PROVIDER.name, (Issue, Revoke, Add, Remove), read, needs=(HVAC,))
