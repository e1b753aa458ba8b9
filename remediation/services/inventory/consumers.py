"""Read the consumers of an identity from the inventory: who uses it, and how that is seen.

As for the scope (services/assessment/scope.py), the strictest of the last 24 hours counts: the
versions recorded within that time and the newest one before it. A consumer that was there stays
one, the longest period counts, and a consumer with a new name in the records is not recognised.
So nobody ends a wait by an edit of the inventory.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection

from remediation.domain.conditions import Consumer

# Where the inventory does not say a period: programs that run once a month. Missing is risk.
UNKNOWN_PERIOD_S = 31 * 24 * 3600


class _Version(NamedTuple):
    service: str
    present: bool
    seen_as: str
    period_s: int | None
    takes_by: str


_COUNTED = """
SELECT s.name, v.present, v.seen_as, v.period_s, v.takes_by
  FROM remediation_identity i
  JOIN remediation_dependency d ON d.identity_id = i.id
  JOIN remediation_service s ON s.id = d.source_id
  JOIN remediation_dependencyversion v ON v.dependency_id = d.id
 WHERE i.locator = %s
   AND NOT EXISTS (SELECT 1 FROM remediation_dependencyversion l
                    WHERE l.dependency_id = v.dependency_id AND l.id > v.id
                      AND l.recorded_at <= now() - interval '24 hours')
   AND (NOT EXISTS (SELECT 1 FROM remediation_serviceversion x
                     WHERE x.service_id = s.id AND x.retired)
        OR EXISTS (SELECT 1 FROM remediation_serviceversion x
                    WHERE x.service_id = s.id AND NOT x.retired AND NOT EXISTS (
                      SELECT 1 FROM remediation_serviceversion l
                       WHERE l.service_id = x.service_id AND l.id > x.id
                         AND l.recorded_at <= now() - interval '24 hours')))
 ORDER BY s.name, v.id
"""


def consumers_of(locator: str) -> tuple[Consumer, ...]:
    """Return the services that use the identity itself, by name; none if it is unknown."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [locator])
        rows: list[Any] = cursor.fetchall()
    versions = [_Version(*row) for row in rows]
    found = (_strictest(list(group)) for _, group in groupby(versions, lambda one: one.service))
    return tuple(one for one in found if one is not None)


def _strictest(versions: list[_Version]) -> Consumer | None:
    """Return what these versions of one edge, oldest first, say together."""
    present = [one for one in versions if one.present]
    if not present:
        return None
    names = {one.seen_as for one in present}
    return Consumer(
        service=present[0].service,
        seen_as=names.pop() if len(names) == 1 else "",
        period_s=_longest(one.period_s for one in present),
        takes_by=present[-1].takes_by,
    )


def _longest(periods: Iterable[int | None]) -> int:
    return max(UNKNOWN_PERIOD_S if period is None else period for period in periods)
