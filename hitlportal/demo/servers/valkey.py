"""Run a Valkey (or Redis) server: password, loopback only, append-only file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hitlportal.demo.servers.binaries import usable_program, valkey_binary
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.server import Server

CONFIGURATION = """\
bind {address}
port {port}
protected-mode yes
requirepass {password}
dir {directory}
appendonly yes
appendfsync everysec
save ""
# A full broker must refuse new messages and not evict old ones.
maxmemory-policy noeviction
databases 64
daemonize no
"""


class ValkeyServer(Server):
    """One server. `binary` None: search for it."""

    title = "Valkey"
    not_yet = redis.RedisError

    def __init__(self, home: Path, *, port: int | None = None, binary: Path | None = None) -> None:
        super().__init__(home, port)
        self._binary = binary

    def url(self, database: int = 0) -> str:
        """Return the address with the password, in the form of Celery and redis-py."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def _prepare(self, home: Path) -> None:
        self._binary = usable_program(self._binary or valkey_binary(), self.account, home)

    def _argv(self, home: Path) -> Sequence[str | Path]:
        assert self._binary is not None  # set by _prepare
        path = (
            home / "valkey.conf"
        )  # a password in the arguments would be visible in the process list
        path.touch(mode=0o600)
        path.write_text(
            CONFIGURATION.format(
                address=LOOPBACK, port=self.port, password=self._password, directory=home
            )
        )
        self.account.own(path, 0o600)
        return [self._binary, path]

    def _probe(self) -> None:
        # The caller retries; redis-py's own retries would only slow this down.
        once = Retry(NoBackoff(), retries=0)
        with redis.Redis.from_url(self.url(), socket_timeout=5, retry=once) as client:
            client.ping()
