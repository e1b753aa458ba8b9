"""Tell when no call of a run can still be in flight, by this process's own clock (A73).

A lease's end is a time of the database's clock, and that clock can jump. So a step without a result
is settled only after this process has itself seen its lease, not renewed, for the length of a
lease. The sweeper is one process that looks every few seconds, so this costs no time while it runs;
after its restart it waits once more.
"""

from __future__ import annotations

import time
from uuid import UUID

from remediation.models import Lease
from remediation.services.execution.lease import LEASE_S

WATCH_S = float(LEASE_S)
# Runs with an open call are few; old ones are dropped, which only makes the wait longer.
MOST = 10_000

_seen: dict[UUID, tuple[str, float]] = {}


def is_over(proposal_id: UUID, locator: str, token: int) -> bool:
    """Look at the lease of the open call now; return whether it cannot be in flight any more.

    ``token`` is the one under which the call began. Its holder can begin a call only for a lease's
    length after its last renewal. Who takes the target over meanwhile does not prolong that.
    """
    lease = Lease.objects.filter(target=locator, token=token).first()
    ends = str(lease.until) if lease is not None else "taken over"
    held = f"{locator} {token} {ends}"
    now = time.monotonic()
    before = _seen.get(proposal_id)
    if before is None or before[0] != held:
        if len(_seen) >= MOST:
            _seen.clear()
        _seen[proposal_id] = (held, now)
        return WATCH_S <= 0
    return now - before[1] >= WATCH_S


def forget(proposal_id: UUID) -> None:
    """Forget a run that has ended."""
    _seen.pop(proposal_id, None)
