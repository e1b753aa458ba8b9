"""Start, watch and stop the whole system: servers, target, simulator, web, workers, beat.

Every process ends with the supervisor: children are stopped in reverse order, and the kernel ends
them when the supervisor is killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from hitlportal import places
from hitlportal.demo.consumers import Consumers
from hitlportal.demo.door import Door, opened
from hitlportal.demo.installation import Installation, inherited
from hitlportal.demo.servers import private
from hitlportal.demo.servers.auditlog import AuditLog
from hitlportal.demo.servers.broker import Broker
from hitlportal.demo.servers.cloud import Cloud
from hitlportal.demo.servers.errors import ServerError, ServerFailed
from hitlportal.demo.servers.issuer import Issuer
from hitlportal.demo.servers.ledger import Ledger
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.servers import Servers
from hitlportal.demo.servers.store import FileStore
from hitlportal.demo.servers.workloads import Workloads
from hitlportal.demo.settings import Settings, python
from hitlportal.demo.story import CASE, PLACE, ROLE, ROTATED

# Two runs at the same time; each process of the pool holds its own database connection.
WORKER_PROCESSES = 2
START_SECONDS = 60.0
# Between two queries of a program that uses svc_billing.
BUSY_SECONDS, QUIET_SECONDS = 0.2, 2.0
STOP_SECONDS = 10.0  # time for a worker to finish a call to a target
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
JOB = "report job"


class ChildEnded(ServerError):
    """A process of the demo ended unexpectedly."""


@dataclass
class Running:
    """A process and its name."""

    name: str
    child: Child


class Stack:
    """Everything that `make demo` runs, below one directory; ``busy``: the programs that use
    svc_billing work without a pause, which fills the target's log."""

    def __init__(self, directory: Path, say: Callable[[str], None], *, busy: bool = False) -> None:
        self.directory = directory
        self.servers = Servers(directory)
        self.children: list[Running] = []
        self._say, self._busy = say, busy
        self.door: Door | None = None
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Start everything and return when the web process answers.

        Raises ServerError or InstallationFailed.
        """
        self.door = opened(self.directory / "port")
        self.port = self.door.port
        self._say("two PostgreSQL clusters (portal and target) and Valkey")
        self.servers.start()
        self.installation = Installation(self.directory, self.servers, self.origin)
        self._say("the portal's logins, tables and grants")
        self.installation.install()
        self.log = AuditLog(self.directory)
        broker = Broker(self.servers.valkey)
        self.settings = Settings(self.directory, self.installation, broker, self.log)
        self._say(
            "the target's tables and logins, an OAuth provider, a simulated AWS account and cluster"
        )
        self.ledger = Ledger(self.servers.target, self.directory / "worker")
        self.ledger.prepare()
        self.store = FileStore(self.directory / "store")
        self.store.put_first(PLACE, ROTATED, self.ledger.password(ROTATED))
        every = BUSY_SECONDS if self._busy else QUIET_SECONDS
        self.consumers = Consumers(self.ledger.address, self.store, every)
        self.cloud = Cloud(self.directory / "cloud", CASE)
        self._add("simulated AWS", self.cloud.start(self._log("aws")))
        self.issuer = Issuer(self.directory / "issuer")
        self._add("OAuth provider", self.issuer.provider.start(self._log("oauth")))
        worker = self.settings.targets.parent
        self.workloads = Workloads(self.directory / "kubernetes", worker)
        self._add("simulated Kubernetes", self.workloads.start(self._log("kubernetes")))
        sections = self.issuer.section(worker), self.workloads.section()
        self.settings.write_targets(self.ledger, self.cloud, self.store, *sections)
        self._say("witness, sequencer, web, workers, beat, and four programs that use the target")
        self._start_processes()
        self._wait_for_web()
        self.issuer.provider.wait()

    def stop(self) -> None:
        """Ask all processes to end, wait for each, then stop the servers that they use."""
        for running in self.children:
            if running.child.exit_code is None:
                os.kill(running.child.pid, running.child.stop_signal)
        for running in reversed(self.children):
            running.child.stop(STOP_SECONDS)
        self.children.clear()
        self.servers.stop()
        if self.door is not None:
            self.door.close()

    def check(self) -> None:
        """Raise ChildEnded when a process has ended. The report job may end: the demo disables its
        role."""
        for running in self.children:
            code = running.child.exit_code
            if code is not None and running.name != JOB:
                raise ChildEnded(
                    f"{running.name} ended with status {code}; the end of its log,"
                    f" {running.child.log}:\n{tail(running.child.log)}"
                )
        for server in (self.servers.portal, self.servers.target, self.servers.valkey):
            if server.pid is None:
                raise ChildEnded(f"{server.title} in {server.home} ended; see {server.log}")

    def job(self) -> Child | None:
        """Return the program that holds a session as the role; None when the role is disabled."""
        return next((r.child for r in self.children if r.name == JOB), None)

    def until(self, what: str, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for a condition. Raises TimeoutError, or ChildEnded when a process has ended."""
        give_up = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > give_up:
                raise TimeoutError(f"waited {seconds:.0f} s for: {what}")
            time.sleep(0.05)

    def _start_processes(self) -> None:
        celery = ("-m", "celery", "-A", "hitlportal.celery")
        worker, beat = self.settings.worker(), self.settings.beat()
        door = self._door()
        web = ("-m", "gunicorn", "hitlportal.wsgi", *door.binds)
        # One process, as few people use a demo.
        shipped = ("--config", "python:hitlportal.gunicorn", "--workers", "1")
        # Each kind of work has processes of its own, so that none waits for another.
        work = ("worker", "--queues", "execute", "--concurrency", str(WORKER_PROCESSES))
        assess = ("worker", "--queues", "assess", "--pool", "solo")
        record = ("worker", "--queues", "record", "--pool", "solo")
        sequencer = places.command("audit_sequencer")
        # A separate worker, so that a flood of work cannot delay deadlines.
        sweep = ("worker", "--queues", "sweep", "--pool", "solo")
        # And one whose targets may hang.
        reads = ("worker", "--queues", "live", "--pool", "solo")
        self._spawn("witness", *self.log.witness())
        self._spawn("sequencer", sequencer, self.settings.sequencer())
        quiet = ("--log-level", "warning")
        self._spawn("web", python(*web, *shipped, *quiet), self.settings.web(), door.descriptors)
        self._spawn("worker", python(*celery, *work, "-n", "work@%h", *QUIET), worker)
        self._spawn("assessor", python(*celery, *assess, "-n", "assess@%h", *QUIET), worker)
        self._spawn("messenger", python(*celery, *record, "-n", "record@%h", *QUIET), worker)
        self._spawn("sweeper", python(*celery, *sweep, "-n", "sweep@%h", *QUIET), worker)
        self._spawn("reader", python(*celery, *reads, "-n", "reader@%h", *QUIET), worker)
        self._spawn("beat", python(*celery, "beat", "--loglevel", "WARNING"), beat)
        if self.ledger.may_log_in():
            address = {"LEDGER_DSN_FILE": str(self._job_address())}
            self._spawn(JOB, python("-m", "hitlportal.demo.play.report_job"), inherited() | address)
        if self.ledger.may_log_in(ROTATED):
            for name, port, argv in self.consumers.commands():
                self.consumers.started(name, self._spawn(name, argv, inherited()), port)

    def _job_address(self) -> Path:
        return private.write(self.directory / "report-job" / "dsn", self.ledger.dsn(ROLE))

    def _door(self) -> Door:
        if self.door is None:
            raise RuntimeError("the door is opened before the first process starts")
        return self.door

    def _spawn(
        self, name: str, argv: list[str], environment: dict[str, str], fds: Sequence[int] = ()
    ) -> Child:
        log = self._log(name.replace(" ", "-"))
        child = Child(argv, log=log, cwd=places.START, env=environment, pass_fds=fds)
        self._add(name, child)
        return child

    def _add(self, name: str, child: Child) -> None:
        self.children.append(Running(name, child))

    def _log(self, name: str) -> Path:
        logs = self.directory / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        return logs / f"{name}.log"

    def _wait_for_web(self) -> None:
        def answers() -> bool:
            connection = HTTPConnection(LOOPBACK, self.port, timeout=10)
            try:
                connection.request("GET", "/account/login/", headers={"Host": "localhost"})
                status = connection.getresponse().status
            except OSError:
                return False
            finally:
                connection.close()
            if status != 200:
                raise ServerFailed(f"the sign-in page answers {status}; see {self._log('web')}")
            return True

        self.until("the web process to answer", answers, START_SECONDS)
        # Tokens and passwords go to `origin` from here on.
        (web,) = (running.child for running in self.children if running.name == "web")
        self._door().prove(web.pid)


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
