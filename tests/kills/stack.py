"""The processes of a campaign: killed without warning, and started again as systemd would."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg

from hitlportal import places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.server import Server
from hitlportal.demo.servers.servers import LOG_EVERYTHING, NOT_DURABLE, PostgresCluster
from tests.benchmarks.house import COMMIT_TIMES, House
from tests.executors import install
from tests.kills import rabbit, traps
from tests.kills.scenario import CLUSTER

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
CHILDREN = 4  # a trap holds one
# How long something stays down, as `RestartSec=` says.
DOWN_S = (0.1, 0.8)
TARGETS = """\
[postgres.{cluster}]
observe_dsn = "{observe}"
operate_dsn_file = "operate.dsn"
"""
# Each call, and whether it was carried out (target_log.py).
LOGGED = {**LOG_EVERYTHING, "log_min_duration_statement": "0", "autovacuum": "off"}
QUEUES = ("execute", "assess", "record")
SERVERS = ("portal", "target", "broker")
VALKEY, RABBITMQ = "valkey", rabbit.NAME


@dataclass
class Service:
    """One process, and how to start it."""

    argv: list[str]
    process: str
    child: Child | None = None


class Stack(House):
    """Portal, target, broker, worker, sweeper and sequencer."""

    def __init__(
        self,
        directory: Path,
        lease_s: float,
        run_within_s: int,
        dice: Random,
        broker: str = VALKEY,
    ) -> None:
        super().__init__(directory)
        settings = {**NOT_DURABLE, **COMMIT_TIMES}
        self.servers.portal = PostgresCluster(directory / "portal", settings=settings)
        self.servers.target = PostgresCluster(directory / "target", settings=settings | LOGGED)
        # Sessions and counters are in Valkey with either broker.
        self.rabbit = rabbit.RabbitServer(directory / "rabbitmq") if broker == RABBITMQ else None
        self.traps = directory / "traps"
        self.stopped: set[int] = set()  # sessions of the target that do not answer
        self.started = 0  # how many processes and servers were started again
        self._dice = dice
        self._services: dict[str, Service] = {}
        self._down: dict[str, float] = {}
        self._groups: set[int] = set()
        self._times = {
            traps.DIRECTORY: str(self.traps),
            traps.LEASE: str(lease_s),
            traps.RUN_WITHIN: str(run_within_s),
        }

    def environment(self, process: str) -> dict[str, str]:
        """Return a process's environment. One login of the broker, since a killed Valkey forgets
        its logins."""
        if process == "beat":
            return {**inherited(), "HITL_PROCESS": "beat", "HITL_BROKER_URL": self.broker_url}
        found = super().environment(process)
        if process in ("web", "worker"):
            found["HITL_CACHE_URL"] = self.servers.valkey.url(1)
            found["HITL_BROKER_URL"] = self.broker_url
        return found | (self._times if process == "worker" else {})

    @property
    def broker_url(self) -> str:
        return self.rabbit.url() if self.rabbit else self.servers.valkey.url(0)

    def start(self) -> None:
        if self.rabbit is not None:
            self.rabbit.start()
        super().start()

    def prepare_target(self) -> None:
        """Install hitl_ops on the target, and write the worker's targets file."""
        logins = install.install(self.servers.target.superuser_dsn())
        install.write_operate_dsn(self.directory, logins.operate)
        self.targets.write_text(TARGETS.format(cluster=CLUSTER, observe=logins.observe))

    def start_sequencer(self) -> Child:
        return self._serve("sequencer", places.command("audit_sequencer"), "sequencer")

    def start_processes(self) -> None:
        """Start worker and sweeper; the web process is not needed, people use its services.

        On RabbitMQ beat itself sends, since it has to find the broker again; on Valkey the campaign
        sends in its place, more often.
        """
        self.traps.mkdir()
        celery = [sys.executable, "-m", "celery", "-A", "hitlportal.celery", "worker"]
        loaded = ["-I", "tests.kills.traps", *QUIET]
        work = [
            "--queues",
            ",".join(QUEUES),
            "--concurrency",
            str(CHILDREN),
            "-n",
            "work@%h",
        ]
        sweep = ["--queues", "sweep", "--pool", "solo", "-n", "sweep@%h"]
        self._serve("worker", [*celery, *work, *loaded], "worker")
        self._serve("sweeper", [*celery, *sweep, *loaded], "worker")
        if self.rabbit is not None:
            schedule = ["--schedule", str(self.directory / "beat-schedule"), "--loglevel", "INFO"]
            self._serve("beat", [*celery[:-1], "beat", *schedule], "beat")

    @property
    def stalled(self) -> int:
        """Return how often a worker consumed nothing and ended itself (A72)."""
        logs = (self.directory / f"{name}.log" for name in ("worker", "sweeper"))
        said = "nothing was consumed for"
        return sum(log.read_text("utf-8", "replace").count(said) for log in logs if log.exists())

    # -- killing ----------------------------------------------------------------------------------

    def kill(self, victim: str, here: int | None = None) -> str:
        """Kill -9; return whom, in words. ``here`` is the process that waits in a trap."""
        if victim == "here":
            here = here or self._any_child()
            _kill(here)
            return f"process {here}" if here else "nobody"
        if victim in SERVERS:
            self._kill_server(victim)
            return victim
        name = "worker" if victim in ("worker", "master") else victim
        child = self._services[name].child
        if child is not None and victim == "master":
            _kill(child.pid)  # the children of its pool live on
        elif child is not None:
            child.kill()
        self._down.setdefault(name, time.monotonic() + self._dice.uniform(*DOWN_S))
        return victim

    @property
    def sweeper(self) -> int:
        """Return the sweeper's process id."""
        child = self._services["sweeper"].child
        return child.pid if child is not None else 0

    def tend(self) -> None:
        """Start again what has ended, after its time."""
        for name in SERVERS:
            server = self._server(name)
            if server.pid is None and self._is_time(name):
                self._start(server)
                self._started(name)
        if all(self._server(name).pid is not None for name in SERVERS):
            for name, service in self._services.items():
                child = service.child
                if (child is None or child.exit_code is not None) and self._is_time(name):
                    self._spawn_service(name, service)
                    self._started(name)

    def stop(self) -> None:
        for pid in self.stopped:
            self.go_on(pid)
        for service in self._services.values():
            if service.child is not None:
                service.child.kill()
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self.rabbit is not None:
            self.rabbit.kill()
        super().stop()

    def lives(self) -> list[int]:
        """Return the groups of processes that are still there; killed ones get a moment."""
        until = time.monotonic() + 10
        while (left := [group for group in self._groups if _exists(group)]) and (
            time.monotonic() < until
        ):
            time.sleep(0.1)
        return left

    def go_on(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def target(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of the target's superuser. Raises psycopg.OperationalError."""
        dsn = self.servers.target.superuser_dsn()
        return psycopg.connect(dsn, autocommit=True, connect_timeout=5)

    def _kill_server(self, name: str) -> None:
        if name == "target":
            # A stopped backend would keep the shared memory, and no new server could start.
            for pid in self.stopped:
                self.go_on(pid)
            self.stopped.clear()
        self._server(name).kill()
        self._down.setdefault(name, time.monotonic() + self._dice.uniform(*DOWN_S))

    def _start(self, server: Server) -> None:
        with contextlib.suppress(ServerFailed):  # the next turn tries again
            server.start()

    def _server(self, name: str) -> Server:
        servers = self.servers
        found: dict[str, Server] = {
            "portal": servers.portal,
            "target": servers.target,
            "broker": self.rabbit or servers.valkey,
        }
        return found[name]

    def _is_time(self, name: str) -> bool:
        return time.monotonic() >= self._down.get(name, 0.0)

    def _started(self, name: str) -> None:
        self.started += 1
        self._down.pop(name, None)

    def _serve(self, name: str, argv: list[str], process: str) -> Child:
        service = self._services[name] = Service(argv, process)
        return self._spawn_service(name, service)

    def _spawn_service(self, name: str, service: Service) -> Child:
        log = self.directory / f"{name}.log"
        env = self.environment(service.process)
        service.child = Child(service.argv, log=log, cwd=places.START, env=env)
        self._groups.add(service.child.pid)
        return service.child

    def _any_child(self) -> int | None:
        """Return a process of the worker's pool."""
        child = self._services["worker"].child
        path = Path(f"/proc/{child.pid}/task/{child.pid}/children" if child else "/dev/null")
        with contextlib.suppress(OSError):
            found = [int(text) for text in path.read_text().split()]
            return self._dice.choice(found) if found else None
        return None


@contextmanager
def stack(lease_s: float, run_within_s: int, dice: Random, broker: str = VALKEY) -> Iterator[Stack]:
    """Make a stack in a temporary directory; remove it afterwards, with every process."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-kills-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    built = Stack(directory, lease_s, run_within_s, dice, broker)
    try:
        built.start()
        built.prepare_target()
        yield built
    finally:
        built.stop()
        servers = built.servers
        for server in (servers.portal, servers.target, servers.valkey, built.rabbit):
            if server is not None:
                remove_home(server.home)
        shutil.rmtree(directory, ignore_errors=True)


def _kill(pid: int | None) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _exists(group: int) -> bool:
    """Return whether a process of the group runs; one that is dead and not reaped does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name in brackets: state, parent, group (proc(5)).
            state, _, of = stat.read_text().rpartition(") ")[2].split()[:3]
            if int(of) == group and state != "Z":
                return True
    return False
