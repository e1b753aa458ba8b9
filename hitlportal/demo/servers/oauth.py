"""Run a real OAuth 2.0 provider (oauth_provider.py) in one directory, as a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hitlportal import places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers import private
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK, is_free, kept_port
from hitlportal.demo.servers.process import Child

START_SECONDS = 60.0
POLL_SECONDS = 0.05


class OAuthProvider:
    """A provider with the clients, users and tokens of a seed (see oauth_provider.py)."""

    def __init__(self, directory: Path, seed: Mapping[str, Any]) -> None:
        self._directory = directory
        self.log = directory / "calls.log"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (directory / "seed.json").exists():
            private.write(directory / "seed.json", json.dumps(seed, indent=1))
        self.port = 0
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, log: Path | None = None) -> Child:
        """Start the provider; it may not listen yet when this returns."""
        self.port = kept_port(self._directory / "port", None)
        arguments = ("--home", str(self._directory), "--port", str(self.port))
        self._child = Child(
            [sys.executable, "-m", "hitlportal.demo.servers.oauth_provider", *arguments],
            log=log or self._directory / "server.log",
            cwd=places.START,
            env=inherited(),
        )
        return self._child

    def wait(self) -> None:
        """Return when the provider listens. Raises ServerFailed if it ends before."""
        give_up = time.monotonic() + START_SECONDS
        while is_free(self.port):
            assert self._child is not None  # start() comes first
            if self._child.exit_code is not None or time.monotonic() > give_up:
                raise ServerFailed(f"the OAuth provider in {self._directory} does not answer")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def calls(self, path: str = "") -> list[dict[str, Any]]:
        """Return the calls of its log, of one path or of all."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if path in ("", line["path"])]
