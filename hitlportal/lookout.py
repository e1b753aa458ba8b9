"""Tell people of what does not start when no message comes, so also when the broker is away.

Beat's message wakes this work every 15 s (`remediation.notify`). Without beat or a broker no
message comes, and approved work does not start either: then the messenger looks by itself, and
sends by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import bootsteps

from hitlportal import watchdog
from remediation import queues

logger = logging.getLogger(__name__)

QUEUE = "record"
LOOK_S = 15.0
# Four of beat's messages did not come.
SILENT_S = 60.0


class Lookout(bootsteps.StartStopStep):
    """A thread in the main process of the worker that tells people."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stopped = threading.Event()

    def start(self, parent: Any) -> None:
        """Begin, if this worker takes the messages that tell people."""
        if QUEUE in queues.kinds_of(parent.app.amqp.queues.consume_from):
            threading.Thread(target=self._watch, daemon=True).start()

    def stop(self, parent: Any) -> None:
        self._stopped.set()

    def terminate(self, parent: Any) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_S):
            turn(time.monotonic() - watchdog.consumed.at)


def turn(silence: float) -> bool:
    """Tell and deliver if no message came for so many seconds; return whether it did."""
    from django.db import connection

    from remediation.services.actors import worker
    from remediation.services.outbox import deliver, not_started

    if silence < SILENT_S:
        return False
    try:
        if not_started.tell_late(actor=worker()):
            logger.critical("no message for %.0f s: approved work does not start", silence)
        deliver.deliver_all(actor=worker())
    except Exception:
        # The database may be away, too. The next turn tries again.
        logger.exception("nobody could be told of what does not start")
    finally:
        connection.close()  # so that a new process of the pool inherits none
    return True
