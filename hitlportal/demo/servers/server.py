"""The base of all servers: a home, a password, a port, one supervised process."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from hitlportal.demo.servers import private
from hitlportal.demo.servers.account import (
    clean_environment,
    server_account,
    server_home,
)
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import kept_port
from hitlportal.demo.servers.process import Child

START_SECONDS = 60.0  # long enough to replay a log after a crash on a slow disk
# After kill -9 of PostgreSQL's postmaster its backends end with a delay; until then a new one
# refuses to start ("pre-existing shared memory block is still in use").
RETRY_SECONDS = 10.0
POLL_SECONDS = 0.02


class Server(ABC):
    """One server in one directory.

    `home` contains its data, password, port and log; `port` None: choose one and keep it.
    """

    title: str
    stop_signal = signal.SIGTERM
    start_seconds = START_SECONDS
    retry_seconds = RETRY_SECONDS
    not_yet: type[Exception]  # the errors of `_probe` while the server does not answer

    def __init__(self, home: Path, port: int | None) -> None:
        self.home = home
        self.account = server_account()
        self.port = port or 0
        self._wanted_port = port
        self._password = ""
        self._child: Child | None = None
        self._lock = -1

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.home / "server.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        child = self._child
        return child.pid if child is not None and child.exit_code is None else None

    def start(self) -> None:
        """Start the server and return when it answers; no effect if it runs.

        Raises NoBinaries, NoAccount or ServerFailed.
        """
        if self.pid is not None:
            return
        home = server_home(self.home, self.account)
        self._take(home)
        try:
            self._bring_up(home)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; accepted data are on disk."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        self._leave()

    def restart(self) -> None:
        """Stop and start the server on the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill the server (SIGKILL), as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._leave()

    def _take(self, home: Path) -> None:
        """Lock the directory against a second server, which would corrupt the data.

        The kernel releases the lock of a dead supervisor.
        """
        if self._lock >= 0:
            return  # the server ended unexpectedly and is started again
        lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ServerFailed(f"{self.title} in {home} is run by another process") from None
        self._lock = lock

    def _leave(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @abstractmethod
    def _prepare(self, home: Path) -> None:
        """Create what the first start needs."""

    @abstractmethod
    def _argv(self, home: Path) -> Sequence[str | Path]:
        """Return the command line; called after the port was chosen."""

    @abstractmethod
    def _probe(self) -> None:
        """Use the server once over a real connection. Raises `not_yet` while it does not answer."""

    def _bring_up(self, home: Path) -> None:
        self._password = private.kept_password(home / "password", self.account)
        self._prepare(home)
        give_up = time.monotonic() + self.retry_seconds
        while not self._attempt(home):
            if time.monotonic() > give_up:
                raise ServerFailed(f"{self.title} in {home} ended:\n{self._tail()}")
            time.sleep(10 * POLL_SECONDS)
        self._wanted_port = self.port  # a restart keeps the port, or fails

    def _attempt(self, home: Path) -> bool:
        """Start the process; return False if it ended before it answered."""
        self.port = kept_port(home / "port", self._wanted_port)
        child = self._child = Child(
            self._argv(home),
            log=self.log,
            cwd=home,
            env=clean_environment(),
            account=self.account,
            stop_signal=self.stop_signal,
        )
        self._wait(child)
        return child.exit_code is None

    def _wait(self, child: Child) -> None:
        """Return when the server answers or its process has ended."""
        give_up = time.monotonic() + self.start_seconds
        while child.exit_code is None:
            try:
                self._probe()
                return
            except self.not_yet as problem:
                if time.monotonic() > give_up:
                    raise ServerFailed(
                        f"{self.title} in {self.home} does not answer: {problem}\n{self._tail()}"
                    ) from problem
            time.sleep(POLL_SECONDS)

    def _tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
