"""Wake the worker: send a message after the commit that says a kind of work, and nothing else.

The worker reads from the outbox what is due and takes it (`take`). A lost message costs two
seconds, until the sweeper sends another. One too many finds nothing to do. So sending never raises
or waits long.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError

from remediation.queues import ENVIRONMENTS, queue_of
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

# In which states a proposal can have due work of a kind: so that only those are read, of all that
# ever were.
STATES = {
    "assess": ("submitted", "in_review"),
    "settle": ("in_review",),
    "execute": ("approved",),
    "answer": ("waiting",),
    "undo": ("stopped", "unknown"),
    "settle_run": ("stopped", "unknown"),
}

# The first member of a plan's canonical bytes (sql/queue.sql); the strictest for what has none.
ENVIRONMENT = (
    "coalesce(substring(encode(p.plan, 'escape') FROM '^\\{\"environment\":\"([a-z]{1,20})\"'),"
    " 'production')"
)
ENVIRONMENT_OF = f"SELECT {ENVIRONMENT} FROM public.remediation_proposal p WHERE p.id = %s"  # noqa: S608  constants

# Due work: the newest outbox row of each kind, while the proposal's state shows it is not done.
DUE = """
SELECT o.kind, o.proposal_id, extract(epoch FROM clock_timestamp() - max(o.recorded_at)), max(o.id),
       {environment}
  FROM public.remediation_outboxmessage o
  JOIN public.remediation_proposal p ON p.id = o.proposal_id AND p.round = o.round
 WHERE o.kind = ANY(%(kinds)s) AND p.state = ANY(%(states)s)
   AND {environment} = ANY(%(environments)s) AND (
       (o.kind = 'assess' AND (p.state = 'submitted' OR p.state = 'in_review'
                               AND remediation.look_asked_v1(p.id, p.round)))
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
                  AND s.phase IN ('undo_intended', 'undone', 'undo_failed')))))))
 GROUP BY o.kind, o.proposal_id, p.id
HAVING max(o.recorded_at) <= clock_timestamp() - %(seconds)s * interval '1 second'
 ORDER BY max(o.recorded_at)
 LIMIT 1000
""".replace("{environment}", ENVIRONMENT)


@dataclass(frozen=True)
class Due:
    """Work that no worker has claimed; ``age`` is in seconds since its outbox row."""

    kind: str
    proposal_id: UUID
    age: float
    newest: int  # the newest outbox row
    environment: str = ENVIRONMENTS[0]

    @property
    def pause(self) -> int:
        """Return the seconds until it is tried again: they grow with its age, from 2 to 60."""
        return int(min(60, max(2, self.age / 2)))


def wake_live() -> bool:
    """Send a message that identities are to be read now; return whether the broker took it.

    A lost message costs the seconds to the task's next turn.
    """
    task = "remediation.read_live"
    return all([send(task, queue=queue_of(task, each)) for each in settings.ENVIRONMENTS])


def wake(kind: str, proposal_id: UUID, environment: str = "") -> bool:
    """Send a message for one piece of work; return whether the broker took it. Call it after the
    commit.

    The message does not name the proposal: the worker believes only the outbox. A crash between the
    commit and this call leaves the outbox row; the sweeper sends the message.
    """
    task = TASKS[kind]
    try:
        queue = queue_of(task, environment or _environment(proposal_id))
    except DatabaseError as error:
        logger.warning("nobody was woken for %s: %s", proposal_id, error)
        return False
    return send(task, about=str(proposal_id), queue=queue)


def _environment(proposal_id: UUID) -> str:
    """Return the environment of the proposal's plan."""
    with connection.cursor() as cursor:
        cursor.execute(ENVIRONMENT_OF, [proposal_id])
        row = cursor.fetchone()
    return str(row[0]) if row else ENVIRONMENTS[0]


def send(task: str, *, about: str = "", queue: str = "") -> bool:
    """Send one message; return whether the broker took it. Raises nothing: the fact that it is
    about is committed."""
    try:
        current_app.send_task(task, retry=False, queue=queue or queue_of(task))
    except (OperationalError, OSError) as error:
        logger.warning("broker did not take %s %s: %s", task, about, error)
        return False
    except Exception:
        # What kombu finds in the broker can be anybody's, its tables of queues for example.
        logger.exception("%s %s was not sent", task, about)
        return False
    return True


def due(
    kinds: Collection[str] = tuple(TASKS),
    seconds: float = 2.0,
    environments: Collection[str] = ENVIRONMENTS,
) -> Iterator[Due]:
    """Return unclaimed work of these kinds and environments, at least so old, the oldest first."""
    with connection.cursor() as cursor:
        states = sorted({state for kind in kinds for state in STATES[kind]})
        asked = {"kinds": list(kinds), "states": states, "seconds": seconds}
        cursor.execute(DUE, {**asked, "environments": list(environments)})
        rows = cursor.fetchall()
    for kind, proposal_id, age, newest, environment in rows:
        yield Due(kind, proposal_id, float(age), int(newest), environment)


def sweep() -> int:
    """Send messages for due work again; return how many were sent.

    The back-off is kept in the cache; without the cache messages come more often, which does no
    harm.
    """
    pause_.mark_swept()
    sent = 0
    for work in due():
        if pause_.first(f"swept:{work.kind}:{work.proposal_id}", work.pause):
            sent += wake(work.kind, work.proposal_id, work.environment)
    return sent
