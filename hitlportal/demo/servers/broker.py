"""Create one Valkey login per process, limited to the keys that the process needs.

Sessions are stored in the cache. With a shared password, a worker could read a session and use it
to open the admin. The worker's login reaches the queues and its own counters; beat's login only the
queues. Logins are created at each start and kept in the server's memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import redis

from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.valkey import ValkeyServer

BROKER, CACHE = 0, 1  # numbers of Valkey's databases
# kombu's keys: queues (with a suffix per priority), bindings, unacknowledged messages.
QUEUES = ("~execute*", "~assess*", "~sweep*", "~record*", "~live*", "~_kombu.*", "~unacked*")
# Django's prefix, then what the worker's services mark and count: messages sent and rows taken,
# observations, looks for people, and the pauses of settlements, waits and channels.
COUNTERS = tuple(
    f"~hitl:1:{kind}:*" for kind in ("swept", "observed", "live", "settle", "wait", "pause")
)
KEYS: Mapping[str, tuple[str, ...]] = {
    "web": (*QUEUES, "~hitl:1:*"),
    "worker": (*QUEUES, *COUNTERS),
    "beat": QUEUES,
    # Operator commands: some checks open the cache but need none of its keys.
    "owner": (),
}
COMMANDS = ("+@all", "-@admin", "-@dangerous", "resetchannels")


class Broker:
    """The addresses of broker and cache for each process; the server must be running."""

    def __init__(self, server: ValkeyServer) -> None:
        self._port = server.port
        self._passwords = {process: secrets.token_urlsafe(24) for process in KEYS}
        with redis.Redis.from_url(server.url()) as client:
            for process, keys in KEYS.items():
                password = f">{self._passwords[process]}"
                client.execute_command(
                    "ACL", "SETUSER", f"hitl_{process}", "reset", "on", password, *COMMANDS, *keys
                )

    def url(self, process: str, database: int) -> str:
        """Return the address with this process's login."""
        login = f"hitl_{process}:{self._passwords[process]}"
        return f"redis://{login}@{LOOPBACK}:{self._port}/{database}"
