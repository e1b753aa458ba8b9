"""Read a credential of the worker itself from a store of kind openbao."""

from __future__ import annotations

from dataclasses import dataclass

from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import CredentialUnavailable
from remediation.executors.stores.openbao import OpenBaoStore


@dataclass(frozen=True)
class KeptCredential:
    """A credential of the worker itself, as a field of a secret in the engine."""

    store: OpenBaoStore
    path: str
    field: str

    def __str__(self) -> str:
        return f"{self.store.name}:{self.path}#{self.field}"

    def fetch(self, clearance: Clearance | None) -> str:
        unavailable: type[Refused] = CredentialUnavailable if clearance else TargetUnobservable
        server = self.store.server
        try:
            with server.observing() if clearance is None else server.operating(clearance) as client:
                found = client.secrets.kv.v2.read_secret_version(
                    self.path, mount_point=self.store.mount, raise_on_deleted_version=True
                )["data"]["data"]
        except Refused:
            raise
        except Exception as error:
            raise unavailable(f"{self}: {type(error).__name__}") from None
        value = found.get(self.field)
        if not isinstance(value, str) or not value:
            raise unavailable(f"{self}: there is no such field")
        return value
