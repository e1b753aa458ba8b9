"""Consumers for tests: real processes that hold pools, asked without a pause."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 60  # a machine with other work answers slowly, which is no failure


class RunningConsumer:
    """A consumer, and a client that sends it requests all the time."""

    def __init__(self, process: subprocess.Popen[str], port: int, name: str) -> None:
        self.process, self.name = process, name
        self._url = f"http://127.0.0.1:{port}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.failures: list[float] = []
        self.answers = 0
        self._thread.start()

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._url}/count", timeout=PATIENCE_S) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def settle(self) -> None:
        """Wait for some more answers."""
        wanted = self.answers + 20
        give_up = time.monotonic() + PATIENCE_S
        while self.answers < wanted:
            assert time.monotonic() < give_up, "it does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                with urllib.request.urlopen(f"{self._url}/work", timeout=PATIENCE_S):
                    pass
            except urllib.error.HTTPError as error:
                error.close()
                self.failures.append(time.time())
            except OSError:
                self.failures.append(time.time())
            self.answers += 1
            time.sleep(0.005)


@contextmanager
def consumer(
    superuser_dsn: str, credential: Path, name: str, how: str, *, pool: int = 3
) -> Iterator[RunningConsumer]:
    """Run a consumer of the credential in a directory of a store, at this cluster."""
    at = urlsplit(superuser_dsn)
    dsn = f"host={at.hostname} port={at.port} dbname={at.path[1:]}"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "hitlportal.demo.servers.consumer", "--dsn", dsn,
            "--credential", credential, "--name", name, "--reload", how, "--pool", str(pool),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the consumer did not start"
    running = RunningConsumer(process, int(line), name)
    try:
        yield running
    finally:
        running.stop()
