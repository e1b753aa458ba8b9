"""Wake the worker: send a message with an id after the commit. The outbox rows decide.

A lost message costs two seconds, until the sweeper sends it again. A duplicate or late message
does no harm, since the worker claims work in the database. So sending never raises or waits long.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from celery import current_app
from django.db import connection
from kombu.exceptions import OperationalError

from remediation.services.outbox import pause as pause_

logger = logging.getLogger(__name__)

TASKS = {
    "assess": "remediation.assess",
    "settle": "remediation.settle",
    "execute": "remediation.execute",
    "undo": "remediation.reconcile_one",
    "settle_run": "remediation.reconcile_one",
    "answer": "remediation.reconcile_one",
}

# Due work: the newest outbox row of each kind, while the proposal's state shows it is not done.
DUE = """
SELECT o.kind, o.proposal_id, extract(epoch FROM clock_timestamp() - max(o.recorded_at))
  FROM public.remediation_outboxmessage o
  JOIN public.remediation_proposal p ON p.id = o.proposal_id AND p.round = o.round
 WHERE (o.kind = 'assess' AND p.state IN ('submitted', 'in_review'))
    OR (o.kind = 'settle' AND p.state = 'in_review')
    OR (o.kind = 'execute' AND p.state = 'approved')
    -- Until it has a verdict; after that `reconcile` looks at the run as long as it waits.
    OR (o.kind = 'answer' AND p.state = 'waiting' AND EXISTS (
          SELECT 1 FROM public.remediation_halt h
            LEFT JOIN public.remediation_haltverdict w ON w.halt_id = h.id
           WHERE h.proposal_id = p.id AND w.id IS NULL))
    -- Until it has a verdict; and an undo that holds, until the undoing has begun. For a day: after
    -- that it gives nothing back (judge_halt.UNDO_FOR).
    OR (o.kind IN ('undo', 'settle_run') AND p.state IN ('stopped', 'unknown') AND EXISTS (
          SELECT 1 FROM public.remediation_halt h
            LEFT JOIN public.remediation_haltverdict w ON w.halt_id = h.id
           WHERE h.proposal_id = p.id AND h.recorded_at > clock_timestamp() - interval '1 day'
             AND (h.decision = 'settle') = (o.kind = 'settle_run')
             AND (w.id IS NULL OR (w.refusal = '' AND h.decision = 'undo' AND NOT EXISTS (
               SELECT 1 FROM public.remediation_steprecord s
                 JOIN public.remediation_execution x ON x.id = s.execution_id
                WHERE x.proposal_id = p.id
                  AND s.phase IN ('undo_intended', 'undone', 'undo_failed'))))))
 GROUP BY o.kind, o.proposal_id
HAVING max(o.recorded_at) < clock_timestamp() - interval '2 seconds'
 ORDER BY max(o.recorded_at)
 LIMIT 1000
"""


@dataclass(frozen=True)
class Due:
    """Work that no worker has claimed; ``age`` is in seconds since its outbox row."""

    kind: str
    proposal_id: UUID
    age: float


def wake_live() -> bool:
    """Send a message that identities are to be read now; return whether the broker took it.

    It holds no id: the requests decide. A lost message costs the seconds to the task's next turn.
    """
    try:
        current_app.send_task("remediation.read_live", retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("broker did not take the wish to read identities: %s", error)
        return False
    return True


def wake(kind: str, proposal_id: UUID) -> bool:
    """Send one message; return whether the broker took it. Call it after the commit.

    A crash between the commit and this call leaves the outbox row; the sweeper sends the message.
    """
    try:
        current_app.send_task(TASKS[kind], args=[str(proposal_id)], retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("broker did not take %s %s: %s", kind, proposal_id, error)
        return False
    return True


def due() -> Iterator[Due]:
    """Return unclaimed work that is older than two seconds."""
    with connection.cursor() as cursor:
        cursor.execute(DUE)
        rows = cursor.fetchall()
    for kind, proposal_id, age in rows:
        yield Due(kind, proposal_id, float(age))


def sweep() -> int:
    """Send messages for due work again; return how many were sent.

    The back-off grows with the age of the work, from 2 to 60 s. It is kept in the cache; without
    the cache messages come more often, which does no harm.
    """
    pause_.mark_swept()
    sent = 0
    for work in due():
        pause = int(min(60, max(2, work.age / 2)))
        if pause_.first(f"swept:{work.kind}:{work.proposal_id}", pause):
            sent += wake(work.kind, work.proposal_id)
    return sent
