"""A RabbitMQ that stands still holds up no request: its row is committed, the sweeper sends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors import clusters
from tests.kills.rabbit import RabbitServer, required

# More than the limits of a connection and of an answer, far less than gunicorn's for a request.
MOST_SECONDS = 20

SENDER = """
import sys
from kombu.exceptions import OperationalError
from hitlportal.celery import app

def sent(task):
    try:
        app.send_task(task, args=["1"], retry=False)
    except (OperationalError, OSError) as error:
        return type(error).__name__
    return "sent"

for line in sys.stdin:
    print(sent(line.strip()), flush=True)
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    required()
    server = RabbitServer(tmp_path_factory.mktemp("frozen") / "rabbitmq")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def web(broker: RabbitServer) -> Iterator[subprocess.Popen[str]]:
    """A process with the settings of a web process's broker, which sends a task for each line."""
    with subprocess.Popen(
        [sys.executable, "-c", SENDER],
        env={**os.environ, "HITL_PROCESS": "web", "HITL_BROKER_URL": broker.url()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as made:
        yield made
        made.kill()


def answer(web: subprocess.Popen[str], task: str) -> str:
    """Let the process send one message; return what came of it."""
    assert web.stdin is not None and web.stdout is not None
    web.stdin.write(f"{task}\n")
    web.stdin.flush()
    assert select.select([web.stdout], [], [], MOST_SECONDS)[0], "it waits for the broker"
    return web.stdout.readline().strip()


def test_a_web_process_does_not_wait_for_a_broker_that_stands_still(
    broker: RabbitServer, web: subprocess.Popen[str]
) -> None:
    node = broker.pid
    assert node is not None
    assert answer(web, "remediation.execute") == "sent"
    os.kill(node, signal.SIGSTOP)
    try:
        # A queue that this connection did not declare yet: it asks, and nobody answers.
        assert answer(web, "remediation.assess") != "sent"
        assert answer(web, "remediation.assess") != "sent"
    finally:
        os.kill(node, signal.SIGCONT)
    # The connection that got no answer is not used again.
    clusters.until(lambda: answer(web, "remediation.assess") == "sent", 60)
    assert answer(web, "remediation.execute") == "sent"
