"""Read Valkey's section of the targets file, and call its nodes.

[valkey.<server>]
nodes = ["10.0.0.5:6379", "10.0.0.6:6379"]   every node, replicas too: each has a list of its own
ca_file = "valkey-ca.pem"                    TLS; without it only nodes on the loopback address
observe_user = "hitl_observe"
observe_password_file = "valkey-observe.password"
operate_user = "hitl_operate"
operate_password_file = "valkey-operate.password"
environment = "production"                   optional, see targets.py

The rights of both users stand in docs/valkey.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback, refuse_second_names
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.driver import Places
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0
MOST_NODES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NODE = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class Login:
    """A user of the list, and its password."""

    user: str
    password: Secret


@dataclass(frozen=True)
class Server:
    """The nodes that share users by name, and the worker's two logins at each."""

    nodes: tuple[str, ...]
    observer: Login
    operator: Login
    ca_file: Path | None
    environment: str = ""

    @contextmanager
    def observing(self, node: str) -> Iterator[Any]:
        """Yield a connection that can only read. Raises TargetUnobservable and RedisError."""
        with self._open(node, self.observer.user, for_observing(self.observer.password)) as it:
            yield it

    @contextmanager
    def operating(self, node: str, clearance: Clearance) -> Iterator[Any]:
        """Yield a connection that can change something.

        Raises ClearanceRefused, CredentialUnavailable and RedisError.
        """
        secret = for_operating(clearance, self.operator.password)
        with self._open(node, self.operator.user, secret) as it:
            yield it

    @contextmanager
    def _open(self, node: str, user: str, password: str) -> Iterator[Any]:
        host, _, port = node.rpartition(":")
        more: dict[str, Any] = {}
        if self.ca_file is not None:
            more = {"ssl": True, "ssl_ca_certs": str(self.ca_file), "ssl_check_hostname": True}
        client = redis.Redis(
            host=host.strip("[]"),
            port=int(port),
            username=user,
            password=password,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # One attempt: a repeated change could follow somebody else's.
            retry=Retry(NoBackoff(), retries=0),
            decode_responses=True,
            single_connection_client=True,
            client_name="hitlportal",
            **more,
        )
        try:
            yield client
        finally:
            client.close()


@dataclass(frozen=True)
class Servers(Places):
    """All servers of a worker, by name."""

    provider: ClassVar[str] = "valkey"
    servers: Mapping[str, Server]

    def environment(self, target: Target) -> str:
        found = self.servers.get(target.fields["server"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is a login that this worker uses there."""
        found = self.servers.get(target.fields["server"])
        own = (found.observer.user, found.operator.user) if found is not None else ()
        return target.fields["user"] in own


def read(section: Section) -> Servers:
    found = section.each(_server)
    refuse_second_names("valkey", {name: at.nodes for name, at in found.items()})
    return Servers(found)


def server(targets: Targets, name: str) -> Server:
    """Return a server. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Servers)
    if places is None or name not in places.servers:
        raise TargetUnobservable(f"this worker has no login for Valkey {name}")
    return places.servers[name]


def _server(section: Section, name: str) -> Server:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a server")
    nodes = section.texts("nodes")
    ca_file = section.path("ca_file") if section.has("ca_file") else None
    if len(nodes) > MOST_NODES or len(set(nodes)) < len(nodes):
        raise TargetsFileInvalid(f"valkey {name}: nodes has one twice, or more than {MOST_NODES}")
    for node in nodes:
        _refuse_node(node, secured=ca_file is not None, at=f"valkey {name}")
    return Server(
        nodes=nodes,
        observer=Login(section.text("observe_user"), section.secret("observe_password")),
        operator=Login(section.text("operate_user"), section.secret_file("operate_password")),
        ca_file=ca_file,
        environment=section.environment(),
    )


def _refuse_node(node: str, *, secured: bool, at: str) -> None:
    found = _NODE.fullmatch(node)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise TargetsFileInvalid(f"{at}: {node!r} is not host:port")
    if not secured and not is_loopback(urlsplit(f"//{node}").hostname or ""):
        raise TargetsFileInvalid(f"{at}: {node} needs ca_file, since a password is sent to it")
