"""The executors of OpenBao: secret ids of AppRoles, database credentials, leases, and more."""

from __future__ import annotations

from remediation.domain.catalogue.openbao import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.libraries import HVAC
from remediation.executors.openbao_approle import DestroyNewSecretId, NewSecretId
from remediation.executors.openbao_credential import NewCredential
from remediation.executors.openbao_database_role import RevokeCredential
from remediation.executors.openbao_entity import DisableEntity, EnableEntity
from remediation.executors.openbao_lease import RevokeLease
from remediation.executors.openbao_lease_prefix import RevokeLeasePrefix
from remediation.executors.openbao_locked import (
    DisableApprole,
    DisableUser,
    EnableApprole,
    EnableUser,
)
from remediation.executors.openbao_secret_id import DestroySecretId
from remediation.executors.openbao_server import read
from remediation.executors.openbao_token import RevokeToken

DRIVER = Driver(
    PROVIDER.name,
    (
        NewSecretId, DestroyNewSecretId, DestroySecretId, RevokeLease, NewCredential,
        RevokeCredential, DisableEntity, EnableEntity, RevokeToken, RevokeLeasePrefix,
        DisableUser, EnableUser, DisableApprole, EnableApprole,
    ),
    read,
    needs=(HVAC,),
)  # fmt: skip
