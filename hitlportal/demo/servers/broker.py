"""Logins of Valkey: one for each process, limited to the keys that it needs.

Sessions lie in the cache. With one password for everybody, a worker could read a session and open
the admin with it; so the worker's login reaches the queues and its own counters, and beat's the
queues alone. The logins are made anew at each start and live in the server's memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import redis

from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.valkey import ValkeyServer

BROKER, CACHE = 0, 1  # numbers of Valkey's databases
# kombu's keys: the queues (with a suffix for each priority), their bindings, what is on its way.
QUEUES = ("~execute*", "~assess*", "~sweep*", "~record*", "~_kombu.*", "~unacked*")
# Django's prefix, then the names that `services.dispatch` and `services.observe` count under.
COUNTERS = ("~hitl:1:swept:*", "~hitl:1:observed:*")
KEYS: Mapping[str, tuple[str, ...]] = {
    "web": (*QUEUES, "~hitl:1:*"),
    "worker": (*QUEUES, *COUNTERS),
    "beat": QUEUES,
    # Commands of an operator; the cache is opened by some checks and holds nothing they need.
    "owner": (),
}
COMMANDS = ("+@all", "-@admin", "-@dangerous", "resetchannels")


class Broker:
    """The addresses of broker and cache for each process; the server must run."""

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
        """The address with this process's login."""
        login = f"hitl_{process}:{self._passwords[process]}"
        return f"redis://{login}@{LOOPBACK}:{self._port}/{database}"
