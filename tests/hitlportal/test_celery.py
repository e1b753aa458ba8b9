"""What a process does when it starts, and how it sends: the web process once, beat until the
broker is back."""

from __future__ import annotations

import os
import subprocess
import sys

from hitlportal import places

START = """
import resource
from celery.signals import celeryd_init
import hitlportal.celery
resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
celeryd_init.send(sender="work@host")
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_a_worker_that_crashes_leaves_no_core_file_with_credentials() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "HITL_PROCESS": "beat"},  # needs no settings
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "(0, 0)", done.stderr


ASKED = "from hitlportal.celery import app; print(app.conf.task_publish_retry)"
BROKER = "amqp://127.0.0.1:1//"


def run(url: str) -> subprocess.CompletedProcess[str]:
    """Read the setting as beat, which has the broker's URL and nothing else."""
    return subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=places.START,
        env={"HITL_PROCESS": "beat", "HITL_BROKER_URL": url, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_beat_tries_again_and_so_finds_a_broker_that_was_away() -> None:
    """Its connection is replaced only by kombu's retry; with RabbitMQ it sends nothing without."""
    assert run(BROKER).stdout.strip() == "True"


def test_beat_refuses_a_broker_that_is_not_supported() -> None:
    refused = run("sqs://")
    assert refused.returncode != 0
    assert "HITL_BROKER_URL must begin with redis://" in refused.stderr


def test_others_try_once() -> None:
    from hitlportal.celery import app

    assert app.conf.task_publish_retry is False


LEVEL = """
import logging
from celery.signals import setup_logging
from hitlportal.celery import app
setup_logging.send(sender=None, loglevel="DEBUG")
print(logging.getLevelName(logging.getLogger().level))
logging.getLogger("x").error("two\\nlines")
"""


def test_beat_logs_at_the_level_of_its_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEVEL],
        cwd=places.START,
        env={"HITL_PROCESS": "beat", "HITL_BROKER_URL": BROKER, "HITL_LOG_LEVEL": "ERROR"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "ERROR\n", done.stderr
    assert len(done.stderr.splitlines()) == 1
