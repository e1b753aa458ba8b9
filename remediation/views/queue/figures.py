"""The figures above the queue: how many wait, how many were missed, how long a decision takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from remediation.services.access import slots, visibility
from remediation.views.queue.filters import REVIEW, section

logger = logging.getLogger(__name__)
# Counting stops here; the page then says "1000+".
MOST_WAITING = 1_000
# The newest proposals of the last 30 days that are read, at most; more would cost each page.
MOST_READ = 2_000
KEPT_S = 60
SOON = timedelta(minutes=5)
_LAST = 9_999_999_999_999_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Places '3' to '9…': approved, running, and ended, the newest first (urgency_v1 in sql/queue.sql).
# The time to decide begins when people could first decide, and ends with the deciding review.
MEDIANS = """
WITH recent AS MATERIALIZED (
  SELECT q.proposal_id, q.touched FROM public.remediation_queueentry q
   WHERE q.place >= '3' AND q.place < %(until)s ORDER BY q.place LIMIT %(most)s
), d AS (
  SELECT (SELECT min(t.recorded_at) FROM public.remediation_transition t
           WHERE t.proposal_id = r.proposal_id AND t.to_state = 'in_review') AS asked,
         t.recorded_at AS at, t.to_state
    FROM recent r JOIN public.remediation_transition t ON t.proposal_id = r.proposal_id
   WHERE t.from_state = 'in_review'
     AND t.to_state IN ('approved', 'rejected', 'returned', 'expired')
     AND (%(services)s::bigint[] IS NULL OR EXISTS (
           SELECT FROM unnest(r.touched) AS held (id) WHERE held.id = ANY (%(services)s::bigint[])))
)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM at - asked))
         FILTER (WHERE to_state <> 'expired' AND at > clock_timestamp() - interval '7 days'),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM at - asked))
         FILTER (WHERE to_state <> 'expired' AND at > clock_timestamp() - interval '30 days'),
       count(*) FILTER (WHERE to_state = 'expired' AND at > clock_timestamp() - interval '7 days')
  FROM d
"""


@dataclass(frozen=True)
class Figures:
    """What this person may see of the queue, in numbers."""

    waiting: int
    more_wait: bool
    soon: int  # of those, due in five minutes
    overdue: int  # ended undecided in the last seven days, and past their deadline now
    # Seconds from the first round to the decision; None when nobody decided anything.
    week: float | None
    month: float | None


def figures(rights: slots.Rights) -> Figures:
    """Return the figures of what the person may see; the medians are kept a minute."""
    seen = visibility.seen_services(rights)
    waiting = section(visibility.places_of(seen), REVIEW)
    due = list(waiting.values_list("due", flat=True)[: MOST_WAITING + 1])
    now = timezone.now()
    dated = [at for at in due if at is not None]
    week, month, expired = _kept(rights, seen)
    return Figures(
        waiting=min(len(due), MOST_WAITING),
        more_wait=len(due) > MOST_WAITING,
        soon=sum(now < at <= now + SOON for at in dated),
        overdue=expired + sum(at <= now for at in dated),
        week=week,
        month=month,
    )


def _kept(rights: slots.Rights, seen: list[int] | None) -> tuple[float | None, float | None, int]:
    """Return the medians, from the cache if it has and gives them."""
    key = f"queue-figures:{rights.person}"
    try:
        week, month, expired = cache.get(key)
        return _number(week), _number(month), int(expired)
    except (TypeError, ValueError):
        read = _read(seen)
    except Exception:
        logger.exception("the cache of the figures")
        return _read(seen)
    try:
        cache.set(key, list(read), KEPT_S)
    except Exception:
        logger.exception("the cache of the figures")
    return read


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _read(seen: list[int] | None) -> tuple[float | None, float | None, int]:
    if seen == []:
        return None, None, 0
    since = (timezone.now() - timedelta(days=30) - _EPOCH) // timedelta(microseconds=1)
    with connection.cursor() as cursor:
        cursor.execute(MEDIANS, {"until": f"9{_LAST - since}", "most": MOST_READ, "services": seen})
        week, month, expired = cursor.fetchone()
    return week, month, expired
