"""A worker of the portal's own configuration, with tasks that leave a line and need no database."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery.signals import celeryd_init, task_prerun, worker_process_init

from hitlportal import celery, strict, watchdog

app = celery.app
DONE = Path(os.environ["TEST_DONE"])

worker_process_init.disconnect(celery.warm_up)
task_prerun.disconnect(celery.check_connection)
if os.environ.get("TEST_WITHOUT_GUARD"):
    app.conf.worker_consumer = "celery.worker.consumer:Consumer"
    celeryd_init.disconnect(celery.read_strictly)
    assert strict

if os.environ.get("TEST_WORK_WAITS"):
    watchdog.STALLED_S, watchdog.START_S, watchdog.LOOK_S = 1.0, 0.0, 0.2
    watchdog.youngest = lambda kinds: 2.0 if not DONE.read_text() else None
    app.steps["worker"].add(watchdog.Watchdog)


def line(text: str) -> None:
    with DONE.open("a", encoding="ascii") as file:
        file.write(f"{text}\n")


@app.task(name="remediation.execute")
def execute(*args: object) -> None:
    line(f"execute {len(args)}")


@app.task(name="remediation.settle")
def settle(*args: object) -> None:
    time.sleep(0.5)
    line("settle")


@app.task(name="remediation.expire")
def expire(*args: object) -> None:
    """Belongs to another worker's queue."""
    line("expire")
