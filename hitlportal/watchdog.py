"""End a worker that consumes nothing while work waits; systemd starts another (A72).

After a broker was killed, kombu may count messages that it could not acknowledge as open for ever,
and take no others. The worker looks alive then: only the database shows that work waits.

Not covered: the queues `record` and `live`, whose work does not stand in the outbox. A restart
helps nothing when the broker or the sweeper is down; it does no harm, since nothing runs.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker import state

from remediation import queues as queue_names

logger = logging.getLogger(__name__)

# The sweeper sends a message for each row that is due, at most a minute apart (`Due.pause`).
STALLED_S = 30.0
START_S = 60.0  # nothing is expected of a process that starts
LOOK_S = 5.0
GIVE_UP_S = 15.0  # for the loop to end the pool in order
EXIT = 1
KINDS = {
    "execute": ("execute", "settle", "undo", "settle_run", "answer"),
    "assess": ("assess",),
}
KINDS["sweep"] = KINDS["execute"] + KINDS["assess"]


class Consumed:
    """When this process last took a message."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def now(self) -> None:
        self.at = time.monotonic()


consumed = Consumed()


def kinds_of(queues: Collection[str]) -> list[str]:
    """Return the kinds of due work for which messages come by these queues."""
    work = queue_names.kinds_of(queues)
    return sorted({kind for each in work for kind in KINDS.get(each, ())})


def is_stalled(silence: float, youngest: float | None, *, busy: bool, time_limit: float) -> bool:
    """Return whether messages should have come long ago.

    ``silence``: seconds without a message. ``youngest``: age of the newest row that has waited for
    STALLED_S; its messages come in pauses of half its age, at most a minute. ``busy``: a task runs,
    which its time limit ends.
    """
    if youngest is None:
        return False
    limit = STALLED_S + min(60.0, youngest / 2)
    return silence > limit + (time_limit if busy else 0.0)


class Watchdog(bootsteps.StartStopStep):
    """A thread in the worker's main process."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stopped = threading.Event()

    def start(self, parent: Any) -> None:
        """Begin to look, if the worker has queues whose work is in the outbox."""
        kinds = kinds_of(parent.app.amqp.queues.consume_from)
        if kinds:
            limit = float(parent.app.conf.task_time_limit)
            arguments = (kinds, limit)
            threading.Thread(target=self._watch, args=arguments, daemon=True).start()

    def stop(self, parent: Any) -> None:
        self._stopped.set()

    def terminate(self, parent: Any) -> None:
        self._stopped.set()

    def _watch(self, kinds: list[str], time_limit: float) -> None:
        consumed.at = time.monotonic() + START_S
        while not self._stopped.wait(LOOK_S):
            silence = time.monotonic() - consumed.at
            if silence < STALLED_S:
                continue
            busy = bool(state.active_requests)
            if is_stalled(silence, youngest(kinds), busy=busy, time_limit=time_limit):
                logger.critical("nothing was consumed for %.0f s while work waits", silence)
                self._end()
                return

    def _end(self) -> None:
        """Let Celery end its pool and this process; do both when its loop does not even look."""
        vars(state)["should_stop"] = EXIT
        time.sleep(GIVE_UP_S)
        for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split():
            os.kill(int(pid), signal.SIGKILL)
        os._exit(EXIT)


def youngest(kinds: list[str]) -> float | None:
    """Return the age of the newest due row that has waited; None without one, or without a
    database: then nothing could be done."""
    from django.conf import settings
    from django.db import Error, connection

    from remediation.services.outbox import dispatch

    try:
        found = dispatch.due(kinds, STALLED_S, settings.ENVIRONMENTS)
        return min((row.age for row in found), default=None)
    except Error as error:
        logger.warning("the watchdog cannot read what is due: %s", error)
        return None
    finally:
        connection.close()  # so that a new process of the pool inherits none
