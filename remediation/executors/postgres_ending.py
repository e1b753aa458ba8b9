"""End a role's sessions on the servers of a cluster, with connections of the operator's login."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg

from remediation.executors.base import Deadline
from remediation.executors.postgres_session import Connection, words

# Between two reads of a role's sessions. A login that was accepted just before the commit of
# NOLOGIN appears as a session some milliseconds later.
LOOK_SECONDS = 0.1
# Ends the sessions only while logins are off there: somebody may have set LOGIN on purpose. The oid
# stands in the statement, so that the log shows the role's name as the one parameter;
# one line, because logs are read by line.
_TERMINATE = (
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE oid = {oid}::oid AND rolcanlogin)"
    " THEN NULL ELSE hitl_ops.terminate(%s, {oid}::oid) END AS open"
)
# The age, because the clock of each server counts by itself.
_END_OLD = "SELECT hitl_ops.end_sessions(%s, {oid}::oid, {age}) AS open"
_STARTING = "SELECT pid FROM hitl_ops.starting()"
# Who keeps a session waiting; 0 is a prepared transaction.
_HOLDERS = """
SELECT b.pid, a.usename::text AS role,
       ARRAY(SELECT p.gid::text FROM pg_prepared_xacts p WHERE b.pid = 0) AS prepared
  FROM unnest(pg_blocking_pids({pid})) b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
"""


def with_oid(statement: str, oid: int) -> str:
    return statement.replace("{oid}", str(int(oid)))


@contextmanager
def ending_meanwhile(
    connection: Connection, role: str, oid: int, waiting: int
) -> Iterator[set[str]]:
    """Signal the role's sessions to end, again and again, while the body waits for a lock.

    A role can lock its own row (every role may change its own password) and so keep NOLOGIN out,
    also by sessions that take turns. Yields who holds up the session `waiting`, in words.
    """
    done = threading.Event()
    holders: set[str] = set()
    terminate = f"SELECT hitl_ops.terminate(%s, {int(oid)}::oid)"

    def repeat() -> None:
        with suppress(psycopg.Error):
            while not done.is_set():
                connection.execute(terminate.encode(), [role])
                found = connection.execute(_HOLDERS.replace("{pid}", str(waiting)).encode())
                now = {_holder(each) for each in found.fetchall()}
                if now:
                    holders.clear()
                    holders.update(now)
                done.wait(LOOK_SECONDS)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield holders
    finally:
        done.set()
        thread.join()


def _holder(row: Mapping[str, Any]) -> str:
    if row["pid"] == 0:
        return f"a prepared transaction ({', '.join(row['prepared'])})"
    return f"pid {row['pid']} of {row['role']}"


class Ending:
    """End a role's sessions on several servers, each until two looks in a row find none.

    A server where the role is still on (a standby that has not received NOLOGIN) is not done.
    """

    def __init__(self, role: str, oid: int) -> None:
        self._role, self._oid = role, oid
        self._servers: dict[str, Connection] = {}
        self._found: dict[str, int] = {}
        self._quiet: dict[str, int] = {}
        # Logins that had begun when the server was added: one may be of the role.
        self._starting: dict[str, set[int]] = {}
        self.on = False  # the role was on at the last look at some server
        self.failed: dict[str, str] = {}  # why a server is not done, by server

    @property
    def count(self) -> int:
        return sum(self._found.values())

    def add(self, name: str, connection: Connection) -> None:
        """Add a server, and signal its sessions at once."""
        self._servers[name] = connection
        self._found[name] = self._quiet[name] = 0
        self._signal(name)

    def finish(self, deadline: Deadline) -> bool:
        """Repeat on all servers; return whether all are done when they are or time is up."""
        while True:
            todo = [n for n in self._servers if self._quiet[n] < 2 and n not in self.failed]
            if not todo:
                return not self.failed
            if deadline.passed:
                return False
            time.sleep(LOOK_SECONDS)
            self.on = False
            for name in todo:
                self._signal(name)

    def _statement(self) -> str:
        return with_oid(_TERMINATE, self._oid)

    def _signal(self, name: str) -> None:
        try:
            connection = self._servers[name]
            found = connection.execute(_STARTING).fetchall()
            now = {each["pid"] for each in found}
            row = connection.execute(self._statement().encode(), [self._role]).fetchone()
        except psycopg.Error as error:
            self.failed[name] = words(error)
            return
        still_open = row["open"] if row else 0
        if still_open is None:
            self.on, self._quiet[name] = True, 0
            self._starting.pop(name, None)  # a login that begins now counts, too
            return
        self._starting[name] = self._starting.get(name, now) & now
        self._found[name] = max(self._found[name], still_open)
        self._quiet[name] = 0 if still_open or self._starting[name] else self._quiet[name] + 1


class EndingOld(Ending):
    """End the sessions that began before a moment; the role may sign in meanwhile."""

    def __init__(self, role: str, oid: int, before: datetime) -> None:
        super().__init__(role, oid)
        self._before = before

    def _statement(self) -> str:
        age = (datetime.now(UTC) - self._before).total_seconds()
        return with_oid(_END_OLD, self._oid).replace("{age}", f"{max(0.0, age):.6f}")
