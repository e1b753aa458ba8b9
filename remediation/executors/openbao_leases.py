"""Look at leases of database credentials, and revoke one."""

from __future__ import annotations

from typing import Any

from remediation.executors.base import Deadline
from remediation.executors.errors import OutcomeUnknown
from remediation.executors.openbao_server import Api, changing, require_time

LOOKUP_PATH, REVOKE_PATH = "sys/leases/lookup", "sys/leases/revoke"


def leases_of(api: Api, mount: str, role: str) -> list[str]:
    """Return the ids of a database role's leases, in order."""
    path = f"{mount}/creds/{role}"
    return sorted(f"{path}/{name}" for name in api.list(f"{LOOKUP_PATH}/{path}/"))


def lease_of(api: Api, lease: str) -> dict[str, Any] | None:
    """Return a lease; None if there is none."""
    from hvac.exceptions import InvalidRequest

    try:
        return api.post(LOOKUP_PATH, {"lease_id": lease})
    except InvalidRequest as error:
        if "invalid lease" in str(error):
            return None
        raise


def revoke(api: Api, lease: str, deadline: Deadline) -> None:
    """Revoke at once: without `sync` OpenBao answers before it tries.

    Raises NotApplied or OutcomeUnknown. A lease that is not there is no error.
    """
    from hvac.exceptions import InvalidRequest

    require_time(deadline)
    with changing():
        try:
            api.post(REVOKE_PATH, {"lease_id": lease, "sync": True})
        except InvalidRequest as error:
            # The database refused; part of the statements may have run.
            said = "; ".join(str(one) for one in error.errors or ())
            raise OutcomeUnknown(f"OpenBao could not revoke it: {said}"[:300]) from None
