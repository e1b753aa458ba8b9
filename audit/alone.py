"""Let only one process run at a time, by an advisory lock of the database session."""

from __future__ import annotations

# Any login can take any advisory lock and hold it for ever. A lock held by another login is
# therefore ignored, so the guarded work must tolerate two processes at the same time.
ALONE = """
SELECT CASE WHEN pg_try_advisory_lock(%(lock)s) THEN true ELSE NOT EXISTS (
  SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
   WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'
     AND (l.classid, l.objid, l.objsubid) = (0, %(lock)s, 1)
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND a.usename = session_user) END
"""
