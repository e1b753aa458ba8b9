"""The executors of OpenBao: secret ids of AppRoles, database credentials and their leases."""

from __future__ import annotations

from remediation.domain.catalogue.openbao import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.libraries import HVAC
from remediation.executors.openbao_approle import DestroyNewSecretId, NewSecretId
from remediation.executors.openbao_credential import NewCredential
from remediation.executors.openbao_database_role import RevokeCredential
from remediation.executors.openbao_lease import RevokeLease
from remediation.executors.openbao_secret_id import DestroySecretId
from remediation.executors.openbao_server import read

DRIVER = Driver(
    PROVIDER.name,
    (
        NewSecretId, DestroyNewSecretId, DestroySecretId, RevokeLease, NewCredential,
        RevokeCredential,
    ),
    read,
    needs=(HVAC,),
)  # fmt: skip
