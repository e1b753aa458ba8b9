"""Leases on targets: one worker touches a target at a time, and a stale one writes nothing.

Compare-and-set with a growing token, on the database's clock. The holder also counts on its own
monotonic clock, from before the statement was sent: it believes in less time than it has.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from uuid import uuid4

from django.db import connection, transaction

from remediation.domain.errors import TargetBusy

# Twice the longest hard timeout (30 s) for call and verification, and room to record.
LEASE_S = 90
# A call may start only if the lease outlives its hard timeout by this much.
MARGIN_S = 5

CLAIM = """
INSERT INTO public.remediation_lease AS l (target, token, holder, until)
VALUES (%(target)s, 1, %(holder)s, clock_timestamp() + make_interval(secs => %(secs)s))
ON CONFLICT (target) DO UPDATE
   SET token = l.token + 1, holder = excluded.holder, until = excluded.until
 WHERE l.until <= clock_timestamp()
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
    """Leases that are held; ``ends`` is on this process's monotonic clock."""

    holder: str
    tokens: Mapping[str, int]
    ends: float

    def remaining(self) -> float:
        return self.ends - time.monotonic()

    def ensure(self, seconds: float) -> None:
        """Make sure that ``seconds`` plus the margin are left; else raise TargetBusy."""
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
        """Let the next one in. A crash before this leaves the lease to run out."""
        with connection.cursor() as cursor:
            for target, token in self.tokens.items():
                cursor.execute(RENEW, {**_row(target, self.holder, token), "secs": 0})


def claim(targets: Iterable[str], *, worker: str) -> Leases:
    """Take the leases of all targets, or none: raises TargetBusy when one is held.

    Each claim has a holder of its own, so that two runs in one worker are two holders.
    """
    holder = f"{worker}/{uuid4()}"
    wanted = sorted(set(targets))
    started = time.monotonic()
    # One statement is a transaction by itself: only several leases need one around them.
    with transaction.atomic() if len(wanted) > 1 else nullcontext():
        tokens = {target: _take(target, holder) for target in wanted}
    return Leases(holder, tokens, started + LEASE_S)


def _take(target: str, holder: str) -> int:
    """The lease's new token. Raises TargetBusy."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, _row(target, holder))
        row = cursor.fetchone()
    if row is None:
        raise TargetBusy(f"another worker holds {target}")
    return int(row[0])


def _row(target: str, holder: str, token: int = 0) -> dict[str, str | int]:
    return {"target": target, "holder": holder, "token": token, "secs": LEASE_S}
