"""The only code that touches targets. No records, no Django: plan in, outcome out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.executors.aws import ActivateAccessKey, DeactivateAccessKey
from remediation.executors.base import Executor
from remediation.executors.noop import Noop
from remediation.executors.postgres import DisableRole, EnableRole

# Explicit on purpose: what is not in this table cannot run. Keys are the catalogue's kinds.
EXECUTORS: Mapping[str, type[Executor]] = MappingProxyType(
    {
        executor.spec.kind: executor
        for executor in (DisableRole, EnableRole, DeactivateAccessKey, ActivateAccessKey, Noop)
    }
)
