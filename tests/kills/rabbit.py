"""Run a RabbitMQ server of Debian's package: one node, loopback only, no plugins.

It must be registered at epmd, the port mapper of Erlang, which the package starts as a daemon that
nothing ends. Here epmd is a child with a port of its own, and ends with the server.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from amqp import AMQPError, Connection

from hitlportal.demo.servers import private
from hitlportal.demo.servers.account import clean_environment
from hitlportal.demo.servers.errors import NoBinaries
from hitlportal.demo.servers.ports import LOOPBACK, is_free
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.server import Server
from tests.needs import needs

NAME = "rabbitmq"
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
# Below the ports that the kernel gives to clients: while the server is down, no client takes it.
PORTS = range(15_000, 30_000)
USER = "hitl"
NODE = "hitl@localhost"
CONFIGURATION = """\
listeners.tcp.1 = {address}:{port}
default_user = {user}
default_pass = {password}
log.console = true
log.console.level = warning
log.console.use_colors = off
log.file = false
"""
# systemd's way: the script becomes the node, so that a signal reaches the node itself.
FOREGROUND = {"RUNNING_UNDER_SYSTEMD": "true"}
# A node that has its name from the start needs no second virtual machine to look for epmd.
ERLANG = (
    "-sname hitl@localhost -start_epmd false +S 1:1"
    " -kernel inet_dist_use_interface {{127,0,0,1}}"
    " inet_dist_listen_min {port} inet_dist_listen_max {port}"
)


def required() -> None:
    """Skip the running test, or fail it in CI, without the server's program."""
    needs("rabbitmq-server", PROGRAM.exists())


class NotReady(Exception):
    """The server does not answer yet."""


class RabbitServer(Server):
    """One server; `start` after `kill` finds the messages that were on disk."""

    title = "RabbitMQ"
    not_yet = NotReady
    start_seconds = 240.0  # it needs seconds of a whole core

    def __init__(self, home: Path, *, port: int | None = None) -> None:
        super().__init__(home, port or fixed_port())
        self._mapper_port, self._nodes_port = fixed_port(), fixed_port()
        self._mapper: Child | None = None

    def url(self) -> str:
        """Return the address with the password, in the form of Celery."""
        return f"amqp://{USER}:{self._password}@{LOOPBACK}:{self.port}//"

    def _prepare(self, home: Path) -> None:
        if not PROGRAM.exists():
            raise NoBinaries("no RabbitMQ found: install Debian's package rabbitmq-server")
        self._own(home / "plugins", "[].\n")
        self._own(home / "environment", "")  # instead of the machine's
        self._own(
            home / "rabbitmq.conf",
            CONFIGURATION.format(
                address=LOOPBACK, port=self._wanted_port, user=USER, password=self._password
            ),
        )

    def _own(self, path: Path, text: str) -> None:
        self.account.own(private.write(path, text), 0o600)

    def _argv(self, home: Path) -> Sequence[str | Path]:
        self._start_mapper(home)
        names = {
            **FOREGROUND,
            **self._mapper_environment(home),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "environment"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG.format(port=self._nodes_port),
        }
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in names.items()), PROGRAM]

    def _mapper_environment(self, home: Path) -> dict[str, str]:
        """Return what node and mapper share. The node's cookie lies in the home."""
        return {
            "HOME": str(home),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._mapper_port),
        }

    def _start_mapper(self, home: Path) -> None:
        """Start epmd unless it runs: a node that was killed leaves it alive."""
        if self._mapper is None or self._mapper.exit_code is not None:
            self._mapper = Child(
                ["epmd"],
                log=home / "epmd.log",
                cwd=home,
                env=clean_environment() | self._mapper_environment(home),
                account=self.account,
            )

    def _leave(self) -> None:
        """End epmd; a node that is started again gets another one."""
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper = None
        super()._leave()

    def _probe(self) -> None:
        try:
            with Connection(
                host=f"{LOOPBACK}:{self.port}",
                userid=USER,
                password=self._password,
                connect_timeout=5,
            ):
                pass
        except (OSError, AMQPError) as problem:
            raise NotReady(str(problem)) from problem


def fixed_port() -> int:
    """Return a free port that the kernel gives to no client."""
    while not is_free(port := secrets.choice(PORTS)):
        pass
    return port
