"""Take from the broker only messages that the portal itself could have sent (A72).

Celery does much of what a message says: a time limit that kills the process, a time to begin, other
tasks before and after, other content types, compression. Whoever has the broker's password could
use all of it. Here a message has a known task of this worker's queues, no argument, and nothing
else to say. Every other one is acknowledged, so that it never comes again, and logged on one line.
What passes is written anew, so nothing unknown goes further.

Not covered: a message so large that the broker itself hands it out only at the price of memory.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from celery.worker.consumer import Consumer
from kombu import compression
from kombu.transport import TRANSPORT_ALIASES

from hitlportal import watchdog
from remediation import queues

logger = logging.getLogger(__name__)

MAX_BODY = 4096
ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)
CHANNEL = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
# The one task with an argument: the name of a channel of notifications.
WITH_CHANNEL = "remediation.deliver"
EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
# What Celery writes for a message of ours. None of it but `expires` may say anything.
FIXED: Mapping[str, Any] = {
    "lang": "py",
    "shadow": None,
    "eta": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "ignore_result": None,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}
# Dropped: where a message comes from, how its arguments look, and whether it was given out before.
IGNORED = {
    "ignore_result",
    "root_id",
    "parent_id",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "redelivered",
    "celery_beat_task",
}


class Unwanted(Exception):
    """A message that the portal would not have sent."""


# The time limit of each task that is taken, as the senders write it.
Tasks = Mapping[str, Sequence[int | None]]
NO_LIMIT = [None, None]


def headers(given: object, tasks: Tasks) -> dict[str, Any]:
    """Return the headers of a message, written anew. Raises Unwanted."""
    if not isinstance(given, Mapping):
        raise Unwanted("no headers")
    task, key, expires = given.get("task"), given.get("id"), given.get("expires")
    if not isinstance(task, str) or task not in tasks:
        raise Unwanted("no task of this worker")
    if not isinstance(key, str) or not ID.fullmatch(key):
        raise Unwanted("no id")
    for name, value in given.items():
        if name in IGNORED:
            continue
        if name in FIXED:
            if value != FIXED[name]:
                raise Unwanted(f"a value for {name}")
        elif name not in ("task", "id", "expires", "timelimit"):
            raise Unwanted("an unknown header")
    # A sender that has loaded the tasks writes their limit, beat and others none.
    if given.get("timelimit") not in (NO_LIMIT, [*tasks[task]]):
        raise Unwanted("a time limit")
    own = {"task": task, "id": key, "root_id": key, "expires": _expires(expires)}
    return {**FIXED, **own, "timelimit": NO_LIMIT}  # then the task's own counts


def _expires(given: object) -> str | None:
    if given is None:
        return None
    try:
        return datetime.fromisoformat(str(given)[:64]).isoformat()
    except ValueError:
        raise Unwanted("expires is no time") from None


def body(raw: object, task: str) -> bytes:
    """Return the body of a message, written anew. Raises Unwanted."""
    if isinstance(raw, memoryview):
        raw = raw.tobytes()
    if not isinstance(raw, bytes | str) or len(raw) > MAX_BODY:
        raise Unwanted("no body, or a long one")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unwanted("a body that is no JSON") from None
    if not isinstance(found, list) or len(found) != 3 or found[1:] != [{}, EMBEDDED]:
        raise Unwanted("a body with more than arguments")
    arguments = found[0]
    if task == WITH_CHANNEL:
        fits = isinstance(arguments, list) and len(arguments) == 1
        if not fits or not isinstance(arguments[0], str) or not CHANNEL.fullmatch(arguments[0]):
            raise Unwanted("no name of a channel")
    elif arguments != []:
        raise Unwanted("arguments")
    return json.dumps([arguments, {}, EMBEDDED]).encode()


def rewrite(message: Any, tasks: Tasks) -> None:
    """Check a message of kombu and write it anew. Raises Unwanted."""
    if message.content_type != "application/json" or message.content_encoding != "utf-8":
        raise Unwanted("another type of content")
    message.headers = headers(message.headers, tasks)
    message.body = body(message.body, message.headers["task"])
    message.properties.pop("reply_to", None)


class StrictConsumer(Consumer):
    """Celery's consumer, behind the check. `worker_consumer` names it."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*args, **kwargs)
        tasks = self._tasks()

        def check(message: Any) -> Any:
            watchdog.consumed.now()
            try:
                rewrite(message, tasks)
            except Unwanted as unwanted:
                return self._refuse(message, str(unwanted))
            return handle(message)

        return check

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Refuse what kombu could not read; Celery would log all of it."""
        self._refuse(message, type(exc).__name__)

    def _tasks(self) -> Tasks:
        """Return the tasks whose queue this worker takes from, with their time limits."""
        kinds = queues.kinds_of(self.app.amqp.queues.consume_from)
        known = self.app.tasks
        return {
            name: (known[name].time_limit, known[name].soft_time_limit)
            for name, kind in queues.WORK.items()
            if kind in kinds and name in known
        }

    def _refuse(self, message: Any, reason: str) -> None:
        logger.warning("a message was refused: %s", reason)
        consumer: Any = self  # the stubs do not know this attribute
        message.ack_log_error(logger, consumer.connection_errors)


def install() -> None:
    """Make this process read strictly below Celery, too. Call it before the first connection."""
    # A header can ask for decompression: a megabyte becomes a gigabyte. Nothing of ours is packed.
    vars(compression)["_decoders"].clear()
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = "hitlportal.strict_redis:Transport"
