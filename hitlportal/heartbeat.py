"""Leave signs of life in a file for `hitlportal health`: workers, beat, sequencer.

A worker gives its sign by a timer of its own loop, while it is connected to the broker; beat when
the broker took a message; the sequencer in each of its turns. So a process that hangs gives none.
"""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.signals import after_task_publish, celeryd_init, task_postrun, task_prerun

from hitlportal import env

logger = logging.getLogger(__name__)

EVERY_S = 5.0
# Written by a worker whose only thread carries out a task; its loop stands still meanwhile.
BUSY, IDLE, CUT_OFF = "busy", "idle", "no connection to the broker"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def file_of(directory: Path, name: str) -> Path:
    """Return the file of the process ``name``."""
    return directory / f"{name}.alive"


class Heartbeat:
    """The file of this process; without a directory or a name it does nothing."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._pid, self._next = 0, 0.0

    @property
    def is_open(self) -> bool:
        return self._path is not None

    def open(self, name: str) -> None:
        """Begin, as the process ``name``; a fork of this process gives no signs."""
        directory = env.text("HITL_HEARTBEAT_DIR")
        if directory and NAME.fullmatch(name):
            self._path, self._pid = file_of(Path(directory), name), os.getpid()

    def beat(self, state: str = IDLE) -> None:
        """Say now that this process lives. A full disk is logged and stops nothing."""
        if self._path is None or self._pid != os.getpid():
            return
        new = self._path.with_suffix(".new")
        try:
            new.write_text(f"{state}\n", encoding="utf-8")
            new.replace(self._path)
        except OSError as error:
            logger.warning("no sign of life: %s: %s", self._path, error.strerror)

    def beat_sometimes(self) -> None:
        """Say so, but not more often than every few seconds."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            self.beat()


heartbeat = Heartbeat()


def in_turn() -> None:
    """Give the sequencer's sign of life; it calls this in each turn (settings.AUDIT_ALIVE)."""
    if not heartbeat.is_open:
        heartbeat.open("sequencer")
    heartbeat.beat_sometimes()


class SignOfLife(bootsteps.StartStopStep):
    """Gives a worker's sign of life from when it takes messages until its connection breaks."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        heartbeat.beat()
        self._timer = consumer.timer.call_repeatedly(EVERY_S, heartbeat.beat)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        heartbeat.beat(CUT_OFF)


def connect(app: Celery, *, is_beat: bool) -> None:
    """Let beat, or the workers of this app, give signs of life."""
    if is_beat:
        heartbeat.open("beat")
        after_task_publish.connect(_published, weak=False)
        return
    app.steps["consumer"].add(SignOfLife)
    celeryd_init.connect(_worker_starts, weak=False)
    task_prerun.connect(_begins, weak=False)
    task_postrun.connect(_ends, weak=False)


def _published(**_: Any) -> None:
    heartbeat.beat_sometimes()


def _worker_starts(sender: Any, **_: Any) -> None:
    heartbeat.open(str(sender).partition("@")[0])


def _begins(task: Any = None, **_: Any) -> None:
    # Only with `--pool solo`: else a child carries out the task, and the loop goes on.
    heartbeat.beat(f"{BUSY} {task.name}")


def _ends(**_: Any) -> None:
    heartbeat.beat()
