"""The executors of OpenBao: secret ids of AppRoles, and leases of database credentials."""

from __future__ import annotations

from remediation.domain.catalogue.openbao import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.openbao_approle import DestroyNewSecretId, NewSecretId
from remediation.executors.openbao_lease import RevokeLease
from remediation.executors.openbao_secret_id import DestroySecretId
from remediation.executors.openbao_server import read

DRIVER = Driver(
    PROVIDER.name, (NewSecretId, DestroyNewSecretId, DestroySecretId, RevokeLease), read
)
