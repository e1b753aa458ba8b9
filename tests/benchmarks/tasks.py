"""The bare Celery round trip: a task that does nothing, beside the portal's own in one worker.

The worker includes this module with `-I`. The portal has no result backend, so the task brings
one of its own, in another database of the same Valkey.
"""

from __future__ import annotations

import os
import time

from celery.backends.redis import RedisBackend

from hitlportal.celery import app

RESULTS_URL = "BENCHMARK_RESULTS_URL"


# A worker takes only tasks that have a route.
app.conf.task_routes["benchmark.echo"] = {"queue": "execute"}


@app.task(
    name="benchmark.echo",
    backend=RedisBackend(app=app, url=os.environ[RESULTS_URL]),
    ignore_result=False,
    queue="execute",
)
def echo() -> float:
    """Return the time at which the task began."""
    return time.time()


def round_trip() -> tuple[float, float]:
    """Return the seconds from sending to the result, and those until the task began."""
    sent = time.time()
    began: float = echo.apply_async().get(timeout=30)
    return time.time() - sent, began - sent
