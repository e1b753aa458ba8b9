"""A real RabbitMQ as a target, with the two users of the worker, and the world of each action."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import amqp
import requests

from audit.tlog.canonical import Json
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.domain import instant
from tests.executors import clusters
from tests.executors.contract import World
from tests.executors.rabbitmq_tls import Pki
from tests.kills.rabbit import USER, RabbitServer, fixed_port

SERVER = "events"
DOC = Path(__file__).parents[2] / "docs" / "rabbitmq.md"
MANAGEMENT = """\
management.http_log_dir = {home}/http
management.tcp.ip = {address}
management.tcp.port = {plain}
management.ssl.ip = {address}
management.ssl.port = {tls}
management.ssl.cacertfile = {home}/ca.pem
management.ssl.certfile = {home}/node.pem
management.ssl.keyfile = {home}/node.key
mqtt.listeners.tcp.1 = {address}:{mqtt}
stream.listeners.tcp.1 = {address}:{streams}
collect_statistics_interval = 1000
"""


class TargetRabbit(RabbitServer):
    """A server with AMQP, MQTT, streams and the management API; statistics come each second."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.ports = {name: fixed_port() for name in ("plain", "tls", "mqtt", "streams")}
        self.pki = Pki.made()

    def _prepare(self, home: Path) -> None:
        super()._prepare(home)
        for name, body in self.pki.files().items():
            self._own(home / name, body)
        self._own(home / "plugins", "[rabbitmq_management,rabbitmq_mqtt,rabbitmq_stream].\n")
        text = (home / "rabbitmq.conf").read_text("utf-8")
        # The settings of a plugin that is not on are refused.
        more = MANAGEMENT.format(home=home, address=LOOPBACK, **self.ports)
        self._own(home / "rabbitmq.conf", text + more)


def tag(of: str) -> str:
    """Return the tag of the observer or the operator, as docs/rabbitmq.md has it."""
    found = re.search(rf"^rabbitmqctl set_user_tags hitl_{of} (.*)$", DOC.read_text("utf-8"), re.M)
    assert found is not None
    return found[1]


class RabbitPlace:
    """The server, and calls of its administrator."""

    def __init__(self, server: TargetRabbit) -> None:
        self.server = server
        self.url = f"http://{LOOPBACK}:{server.ports['plain']}"
        self.admin = requests.Session()
        self.admin.trust_env = False
        self.admin.auth = (USER, server._password)
        self.passwords = {name: uuid4().hex for name in ("observe", "operate")}
        for name in self.passwords:
            self.give(name, tag(name))

    def give(self, name: str, tags: str) -> None:
        """Make the observer or the operator, with these tags and no permission."""
        body = {"password": self.passwords[name], "tags": tags}
        assert self.call("PUT", "users", f"hitl_{name}", body=body)[0] in (201, 204)

    def call(self, method: str, *path: str, body: object = None) -> tuple[int, Any]:
        where = "/".join(quote(part, safe="") for part in path)
        found = self.admin.request(method, f"{self.url}/api/{where}", json=body, timeout=10)
        return found.status_code, found.json() if found.status_code == 200 else None

    def make_user(self, user: str, password: str, tags: str = "") -> None:
        self.call("PUT", "users", user, body={"password": password, "tags": tags})
        every = {"configure": ".*", "write": ".*", "read": ".*"}
        self.call("PUT", "permissions", "/", user, body=every)

    def set_limit(self, user: str, value: int) -> None:
        body = {"value": value}
        assert self.call("PUT", "user-limits", user, "max-connections", body=body)[0] == 204

    def limit(self, user: str) -> int | None:
        limits = self.call("GET", "users", user)[1]["limits"]
        found: int | None = limits.get("max-connections")
        return found

    def lines(self) -> list[str]:
        """Return the requests that the server logged, after one of our own that is in it."""
        mark, give_up = uuid4().hex, time.monotonic() + 10
        self.call("GET", "vhosts", mark)
        while time.monotonic() < give_up:
            logs = sorted((self.server.home / "http").glob("*"))
            lines = [line for log in logs for line in log.read_text("utf-8").splitlines()]
            if any(mark in line for line in lines):
                return lines
            time.sleep(0.02)
        raise AssertionError("the server does not log requests")

    def changing(self, since: int) -> list[str]:
        """Return the requests since so many lines that are no read, but for our own."""
        found = (re.match(r'\S+ - (\S+) \[.*?\] "(\w+) (\S+)', one) for one in self.lines()[since:])
        return [f"{one[2]} {one[3]}" for one in found if one and one[1] != USER and one[2] != "GET"]


class Client:
    """A consumer with one open AMQP connection. It answers when the server ends it."""

    def __init__(self, place: RabbitPlace, user: str, password: str) -> None:
        self.connection = amqp.Connection(
            host=f"{LOOPBACK}:{place.server.port}",
            userid=user,
            password=password,
            connect_timeout=5,
            client_properties={"connection_name": "cart <b>1</b>"},
        )
        try:
            self.connection.connect()
        except BaseException:
            self.connection.collect()
            raise
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            with suppress(OSError, amqp.AMQPError):
                while True:
                    self.connection.drain_events()
        finally:
            # The library leaves the socket open when the server resets the connection.
            self.connection.collect()

    def ended(self) -> bool:
        """Return whether the server has ended it, within some seconds."""
        self._reader.join(10)
        return not self._reader.is_alive()

    @property
    def open(self) -> bool:
        return self._reader.is_alive()


class RabbitWorld(World):
    """A user with one open connection."""

    def __init__(self, action: str, directory: Path, place: RabbitPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.user, self.password = f"svc_{uuid4().hex[:10]}", uuid4().hex
        place.make_user(self.user, self.password)
        self.held = self.connect()
        # The server lists a connection some milliseconds after it opened.
        clusters.until(self.listed)
        self.cut = instant.dump(datetime.now(UTC))
        if action.endswith(".enable"):
            place.set_limit(self.user, 0)
        (directory / "operate.password").write_text(place.passwords["operate"])
        self._begins = len(place.lines())

    def listed(self) -> list[str]:
        """Return the names of the user's connections."""
        found = self.place.call("GET", "connections", "username", self.user)[1]
        return sorted(one["name"] for one in found)

    def connect(self) -> Client:
        """Open a connection of the user, which signs in."""
        return Client(self.place, self.user, self.password)

    def close(self) -> None:
        self.place.call("DELETE", "connections", "username", self.user)
        self.place.call("DELETE", "users", self.user)

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "rabbitmq.user", "server": SERVER, "user": self.user}

    @property
    def gone(self) -> dict[str, Json]:
        return {"kind": "rabbitmq.user", "server": SERVER, "user": f"{self.user}_gone"}

    @property
    def parameters(self) -> dict[str, Json]:
        ends = self.action.endswith("end_connections")
        return {"begun_before": self.cut} if ends else super().parameters

    def toml(self, port: int | None = None) -> str:
        url = self.place.url if port is None else f"http://{LOOPBACK}:{port}"
        return (
            f'[rabbitmq.{SERVER}]\nurl = "{url}"\n'
            f'observe_user = "hitl_observe"\n'
            f'observe_password = "{self.place.passwords["observe"]}"\n'
            f'operate_user = "hitl_operate"\noperate_password_file = "operate.password"\n'
        )

    def look(self) -> object:
        user = self.place.call("GET", "users", self.user)[1]
        assert isinstance(user, Mapping)
        return user, self.listed()

    def changes(self) -> int:
        return len(self.place.changing(self._begins))
