"""End a role's sessions on the servers of a cluster, with connections of the operator's login."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from remediation.executors.base import Deadline
from remediation.executors.postgres_session import Connection, words

# Between two reads of a role's sessions. A login that was accepted just before the commit of
# NOLOGIN appears as a session some milliseconds later.
LOOK_SECONDS = 0.1
# Ends the sessions only while logins are off there: somebody may have set LOGIN on purpose.
_TERMINATE = """
SELECT CASE WHEN NOT rolcanlogin THEN hitl_ops.terminate(rolname::text) END AS open
  FROM pg_roles WHERE rolname = %s
"""


@contextmanager
def ending_meanwhile(connection: Connection, role: str) -> Iterator[None]:
    """Signal the role's sessions to end, again and again, while the body waits for a lock.

    A role can lock its own row (every role may change its own password) and so keep NOLOGIN out,
    also by sessions that take turns.
    """
    done = threading.Event()

    def repeat() -> None:
        with suppress(psycopg.Error):
            while not done.is_set():
                connection.execute("SELECT hitl_ops.terminate(%s)", [role])
                done.wait(LOOK_SECONDS)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Ending:
    """End a role's sessions on several servers, each until two looks in a row find none.

    A server where the role is still on (a standby that has not received NOLOGIN) is not done.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._servers: dict[str, Connection] = {}
        self._found: dict[str, int] = {}
        self._quiet: dict[str, int] = {}
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

    def _signal(self, name: str) -> None:
        try:
            row = self._servers[name].execute(_TERMINATE, [self._role]).fetchone()
        except psycopg.Error as error:
            self.failed[name] = words(error)
            return
        still_open = row["open"] if row else 0
        if still_open is None:
            self.on, self._quiet[name] = True, 0
            return
        self._found[name] = max(self._found[name], still_open)
        self._quiet[name] = 0 if still_open else self._quiet[name] + 1
