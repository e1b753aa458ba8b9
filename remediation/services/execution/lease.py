"""Lease targets: one worker uses a target at a time, and a stale worker can record nothing.

A lease is compared and set with a growing token, on the database's clock. The holder also counts
on its own monotonic clock, starting before the statement was sent, so it never assumes more time
than it has.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import connection, transaction

from remediation.domain.errors import TargetBusy
from remediation.services.guards import translated
from remediation.services.outbox import serve

# Twice the longest hard timeout (30 s), for call and verification, and time to record.
LEASE_S = 90
# A call may start only if the lease outlives its hard timeout by this much.
MARGIN_S = 5

CLAIM = """
INSERT INTO public.remediation_lease AS l (target, token, holder, until, proposal_id)
VALUES (%(target)s, 1, %(holder)s, clock_timestamp() + make_interval(secs => %(secs)s),
        %(proposal)s)
ON CONFLICT (target) DO UPDATE
   SET token = l.token + 1, holder = excluded.holder, until = excluded.until,
       proposal_id = excluded.proposal_id
 WHERE l.until <= clock_timestamp()
   AND NOT EXISTS (SELECT FROM public.remediation_proposal p
                    WHERE p.id = l.proposal_id AND p.state = 'waiting'
                      AND p.id IS DISTINCT FROM excluded.proposal_id)
RETURNING token
"""
RENEW = """
UPDATE public.remediation_lease
   SET until = clock_timestamp() + make_interval(secs => %(secs)s)
 WHERE target = %(target)s AND token = %(token)s AND holder = %(holder)s
   AND until > clock_timestamp()
"""


@dataclass
class Leases:
    """Held leases; ``ends`` is a time of this process's monotonic clock."""

    holder: str
    tokens: Mapping[str, int]
    ends: float

    def remaining(self) -> float:
        """Return the seconds left on this process's own clock."""
        return self.ends - time.monotonic()

    def ensure(self, seconds: float) -> None:
        """Renew if needed, so that ``seconds`` plus the margin are left. Raises TargetBusy."""
        if self.remaining() > seconds + MARGIN_S and self.remaining() > LEASE_S / 2:
            return
        started = time.monotonic()
        with transaction.atomic(), connection.cursor() as cursor:
            for target, token in self.tokens.items():
                cursor.execute(RENEW, _row(target, self.holder, token))
                if cursor.rowcount != 1:
                    raise TargetBusy(f"the lease on {target} was lost")
        self.ends = started + LEASE_S
        if self.remaining() <= seconds + MARGIN_S:
            raise TargetBusy("the lease is too short for the call")

    def release(self) -> None:
        """Release the leases. After a crash before this they run out."""
        self.keep(0)

    def keep(self, seconds: float) -> None:
        """Let the leases end in this time, for a step that is looked at again: nobody else has the
        targets until then. After a crash before this they run out."""
        with connection.cursor() as cursor:
            for target, token in self.tokens.items():
                cursor.execute(RENEW, {**_row(target, self.holder, token), "secs": seconds})


def claim(targets: Iterable[str], *, worker: str, proposal: UUID | None = None) -> Leases:
    """Take the leases of all targets or of none, for a proposal.

    Each claim has its own holder, so that two runs in one worker are two holders. Raises TargetBusy
    when one is held, or another proposal's run that waits keeps the target; NotServed when the
    proposal is of an environment that this worker does not serve (A72).
    """
    if proposal is not None:
        serve.check(proposal)
    holder = f"{worker}/{uuid4()}"
    wanted = sorted(set(targets))
    started = time.monotonic()
    # A single statement is its own transaction; several leases need one around them.
    with transaction.atomic() if len(wanted) > 1 else nullcontext():
        tokens = {target: _take(target, holder, proposal) for target in wanted}
    return Leases(holder, tokens, started + LEASE_S)


def _take(target: str, holder: str, proposal: UUID | None) -> int:
    """Take one lease; return its new token. Raises TargetBusy."""
    with translated(), connection.cursor() as cursor:
        cursor.execute(CLAIM, {**_row(target, holder), "proposal": proposal})
        row = cursor.fetchone()
    if row is None:
        raise TargetBusy(f"another worker holds {target}, or a run that waits keeps it")
    return int(row[0])


def _row(target: str, holder: str, token: int = 0) -> dict[str, str | float]:
    return {"target": target, "holder": holder, "token": token, "secs": LEASE_S}
