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
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg
import redis

from hitlportal import places
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.server import Server
from hitlportal.demo.servers.servers import LOG_EVERYTHING, NOT_DURABLE, PostgresCluster
from tests.benchmarks.house import COMMIT_TIMES, House
from tests.executors import install
from tests.kills import traps
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
# Longer than a trap holds the whole pool, and than a read of a target that is down.
STALLED_S = 20.0
SERVERS = ("portal", "target", "broker")


@dataclass
class Service:
    """One process, and how to start it."""

    argv: list[str]
    process: str
    child: Child | None = None


@dataclass
class Watched:
    """The queues of one service, and when something was last taken from them."""

    queues: tuple[str, ...]
    messages: int = 0
    consumed_at: float = field(default_factory=time.monotonic)

    def stalls(self, broker_url: str) -> bool:
        """Return whether nothing was consumed for too long; then count anew."""
        now = time.monotonic()
        try:
            with redis.Redis.from_url(broker_url, socket_timeout=2) as broker:
                waiting = sum(int(str(broker.llen(name))) for name in self.queues)
        except redis.RedisError:
            waiting = 0
        if waiting == 0 or waiting < self.messages:
            self.consumed_at = now
        self.messages = waiting
        if now - self.consumed_at <= STALLED_S:
            return False
        self.consumed_at = now
        return True


class Stack(House):
    """Portal, target, broker, worker, sweeper and sequencer."""

    def __init__(self, directory: Path, lease_s: float, run_within_s: int, dice: Random) -> None:
        super().__init__(directory)
        settings = {**NOT_DURABLE, **COMMIT_TIMES}
        self.servers.portal = PostgresCluster(directory / "portal", settings=settings)
        self.servers.target = PostgresCluster(directory / "target", settings=settings | LOGGED)
        self.traps = directory / "traps"
        self.stopped: set[int] = set()  # sessions of the target that do not answer
        self.started = 0  # how many processes and servers were started again
        self.stalled = 0  # how often a worker consumed nothing and was replaced (A72)
        self._queues = {"worker": Watched(QUEUES), "sweeper": Watched(("sweep",))}
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
        found = super().environment(process)
        if process in ("web", "worker"):
            found["HITL_CACHE_URL"] = self.servers.valkey.url(1)
            found["HITL_BROKER_URL"] = self.servers.valkey.url(0)
        return found | (self._times if process == "worker" else {})

    def prepare_target(self) -> None:
        """Install hitl_ops on the target, and write the worker's targets file."""
        logins = install.install(self.servers.target.superuser_dsn())
        install.write_operate_dsn(self.directory, logins.operate)
        self.targets.write_text(TARGETS.format(cluster=CLUSTER, observe=logins.observe))

    def start_sequencer(self) -> Child:
        return self._serve("sequencer", places.command("audit_sequencer"), "sequencer")

    def start_processes(self) -> None:
        """Start worker and sweeper; the web process is not needed, people use its services."""
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
        self._replace_stalled()

    def stop(self) -> None:
        for pid in self.stopped:
            self.go_on(pid)
        for service in self._services.values():
            if service.child is not None:
                service.child.kill()
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
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

    def _replace_stalled(self) -> None:
        """End a worker or sweeper that consumes nothing while messages wait (A72).

        After a broker was killed, kombu may count messages that it could not acknowledge as open
        for ever, and take no others.
        """
        for name, watched in self._queues.items():
            if watched.stalls(self.servers.valkey.url(0)):
                self.stalled += 1
                self.kill(name)

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
            "broker": servers.valkey,
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
def stack(lease_s: float, run_within_s: int, dice: Random) -> Iterator[Stack]:
    """Make a stack in a temporary directory; remove it afterwards, with every process."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-kills-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    built = Stack(directory, lease_s, run_within_s, dice)
    try:
        built.start()
        built.prepare_target()
        yield built
    finally:
        built.stop()
        for server in (built.servers.portal, built.servers.target, built.servers.valkey):
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
