"""Let only one worker send a notice at a time, by an advisory lock until the transaction ends.

Every login can take any advisory lock and hold it for ever, so a lock that another login holds is
ignored (as in `audit.alone`): it must not keep people from being told. Nothing is written for the
lock, because a transaction that has written and waits for a mail server holds up the log.
"""

from __future__ import annotations

from django.db import connection

ALONE = """
WITH k AS MATERIALIZED (SELECT hashtextextended(%s, 0) AS key)
SELECT CASE WHEN pg_try_advisory_xact_lock(k.key) THEN true ELSE NOT EXISTS (
  SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
   WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.mode = 'ExclusiveLock'
     AND ((l.classid::bigint << 32) | l.objid::bigint) = k.key
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND a.usename = session_user) END
  FROM k
"""


def alone(name: str) -> bool:
    """Lock the notice of this name; return False if another worker holds it."""
    with connection.cursor() as cursor:
        cursor.execute(ALONE, [name])
        return bool(cursor.fetchone()[0])
