"""The three programs that use role svc_billing: how they are started, counted and reloaded."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hitlportal.demo.servers.consumer import Counts
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.store import CURRENT, FileStore
from hitlportal.demo.settings import python
from hitlportal.demo.story import BY_HAND, CONSUMERS, PLACE, Consumer

POOL = 2


@dataclass(frozen=True)
class Running:
    """A program, and the port at which it serves its counts."""

    child: Child
    port: int

    @property
    def counts(self) -> Counts:
        address = f"http://{LOOPBACK}:{self.port}/count"
        with urllib.request.urlopen(address, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return Counts(**found)


@dataclass
class Consumers:
    """The programs of the role, by the name of their service; each works every so many seconds."""

    address: str
    store: FileStore
    every: float
    _running: dict[str, Running] = field(default_factory=dict)

    def commands(self) -> Iterator[tuple[str, int, list[str]]]:
        """Return name, port and command line of each."""
        for one in CONSUMERS:
            port = free_port()
            yield (
                one.service,
                port,
                python(
                    *("-m", "hitlportal.demo.servers.consumer", "--dsn", self.address),
                    *("--credential", self.store.place(PLACE) / CURRENT, "--name", one.service),
                    *("--reload", "signal" if one.takes_by == BY_HAND else "poll"),
                    *("--pool", str(POOL), "--port", str(port), "--every", str(self.every)),
                ),
            )

    def started(self, service: str, child: Child, port: int) -> None:
        self._running[service] = Running(child, port)

    def counts(self, service: str) -> Counts:
        """Return its counts; zeros while it does not answer yet."""
        try:
            return self._running[service].counts
        except OSError:
            return Counts()

    def serving(self) -> bool:
        """Return whether each has done some work."""
        return all(self.counts(service).done for service in self._running)

    def late(self) -> list[tuple[Consumer, int]]:
        """Return those that reload the password only on request, with their pids."""
        version = self.store.version(PLACE)
        return [
            (one, self._running[one.service].child.pid)
            for one in CONSUMERS
            if one.takes_by == BY_HAND
            and one.service in self._running
            and self.counts(one.service).version not in ("", version)
        ]

    def reload(self, service: str) -> None:
        """Let a program read its password again, as its owner does."""
        os.kill(self._running[service].child.pid, signal.SIGHUP)
