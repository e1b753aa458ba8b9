"""The assessor gives way to others; a worker that also executes does not (A83)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hitlportal import places
from remediation.niceness import NICENESS

# The signal that Celery sends in each process of the pool, and in a worker with `--pool solo`.
START = """
import os, sys
from celery.signals import worker_process_init
from hitlportal import celery
worker_process_init.disconnect(celery.warm_up)
celery.app.amqp.queues.select(sys.argv[1].split(","))
if sys.argv[2:] == ["unguarded"]:
    worker_process_init.disconnect(celery.stand_back)
worker_process_init.send(sender=None)
print(os.getpriority(os.PRIO_PROCESS, 0))
"""


def niceness(queues: str, *more: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", START, queues, *more],
        cwd=places.START,
        env={
            "HITL_PROCESS": "beat",  # needs no settings
            "HITL_BROKER_URL": "redis://127.0.0.1:1",
            "PATH": "/usr/bin:/bin",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout)


def own() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_a83_the_assessor_gives_way() -> None:
    assert niceness("assess") == max(own(), NICENESS)


@pytest.mark.parametrize("queues", ["execute", "execute,assess", "sweep"])
def test_others_do_not(queues: str) -> None:
    assert niceness(queues) == own()


def test_control_without_the_receiver_it_has_the_priority_of_all() -> None:
    assert niceness("assess", "unguarded") == own()
