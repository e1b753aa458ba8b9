"""The executors of PostgreSQL, and the reader of its section."""

from __future__ import annotations

from remediation.domain.catalogue.postgres import PROVIDER
from remediation.executors.driver import Driver
from remediation.executors.postgres import DisableRole, EnableRole
from remediation.executors.postgres_cluster import read
from remediation.executors.postgres_membership import GrantMembership, RevokeMembership
from remediation.executors.postgres_old_sessions import EndSessions
from remediation.executors.postgres_rotate import RotatePassword
from remediation.executors.postgres_twin import CreateTwin

DRIVER = Driver(
    PROVIDER.name,
    (
        DisableRole,
        EnableRole,
        RotatePassword,
        EndSessions,
        CreateTwin,
        RevokeMembership,
        GrantMembership,
    ),
    read,
)
