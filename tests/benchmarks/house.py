"""The benchmark's environment: servers with durable writes, an installed portal,
and its processes, each with the login and the addresses that it has in the demo.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import psycopg

from audit import signing
from hitlportal import places
from hitlportal.demo.installation import Installation
from hitlportal.demo.servers import private
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.broker import BROKER, CACHE, Broker
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.servers import Servers

# Makes commit times readable; PostgreSQL records them before the WAL is on disk, so
# a span that begins there contains the wait for the disk.
COMMIT_TIMES = {"track_commit_timestamp": "on"}
RESULTS = 2  # number of Valkey's database for the results of the bare task
# As in the demo, but with a web process for each core: four clients wait otherwise for one GIL.
WEB = (
    *("--config", "python:hitlportal.gunicorn", "--log-level", "warning"),
    *("--keep-alive", "75"),  # a client that waits for an effect keeps its connection
)
WORKER = (
    *("worker", "-I", "tests.benchmarks.tasks"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"),
)
START_SECONDS = 60.0
BARE_TABLE = (
    "CREATE TABLE bare_note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " payload jsonb NOT NULL, at timestamptz NOT NULL)"
)


class House:
    """A directory with everything, and its running servers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers = Servers(directory, settings=COMMIT_TIMES)
        self.approvers = directory / "approvers.json"
        self.targets = directory / "targets.toml"
        self.calls = directory / "calls.jsonl"
        self.web_port, self.bare_port = 0, 0
        self._children: list[Child] = []

    def start(self) -> None:
        """Install servers, logins, tables and grants; start no process of the portal."""
        self.servers.start()
        self.web_port, self.bare_port = free_port(), free_port()
        origin = f"http://localhost:{self.web_port}"
        self.installation = Installation(self.directory, self.servers, origin)
        self.installation.install()
        self._broker = Broker(self.servers.valkey)
        with self.superuser("postgres") as connection:
            connection.execute("CREATE DATABASE bare")
        with self.superuser("bare") as connection:
            connection.execute(BARE_TABLE)
        self._make_key()
        self.start_sequencer()

    def _make_key(self) -> None:
        """Make the log's key, and a policy that names it and no witness."""
        secret, vkey = signing.generate("benchmark/audit")
        private.write(self.directory / "log-key", secret)
        (self.directory / "audit-policy").write_text(f"log {vkey}\nquorum none\n")

    def start_sequencer(self) -> Child:
        """Start the sequencer, with the key and its own head file."""
        return self._spawn(
            places.command("audit_sequencer"), self.environment("sequencer"), "sequencer"
        )

    def stop(self) -> None:
        self.stop_children()
        self.servers.stop()

    def stop_children(self) -> None:
        for child in reversed(self._children):
            child.stop(10)
        self._children.clear()

    def environment(self, process: str) -> dict[str, str]:
        """Return the environment of a web or worker process. Budgets are raised:
        the benchmark measures no refusals."""
        worker = {
            "HITL_APPROVERS_FILE": str(self.approvers),
            "HITL_TARGETS_FILE": str(self.targets),
            "HITL_AUDIT_POLICY_FILE": str(self.directory / "audit-policy"),
            "HITL_AUDIT_HEAD_FILE": str(self.directory / "worker-head"),
        }
        if process == "sequencer":
            return {
                **self.installation.environment(process),
                "HITL_AUDIT_KEY": f"file:{self.directory / 'log-key'}",
                "HITL_AUDIT_HEAD_FILE": str(self.directory / "sequencer-head"),
            }
        return {
            **self.installation.environment(process),
            "HITL_CACHE_URL": self._broker.url(process, CACHE),
            "HITL_BROKER_URL": self._broker.url(process, BROKER),
            "HITL_ALLOW_TEST_ACTIONS": "1",
            "HITL_AGENT_RATE": "1000000/min",
            "HITL_WRITES_PER_MINUTE": "1000000",
            "HITL_OBSERVE_BUDGET_PER_HOUR": "1000000",
            "HITL_EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
            "HITL_STATIC_FROM_SOURCE": "1",
            "HITL_LOG_LEVEL": "WARNING",
            "BENCHMARK_RESULTS_URL": self.servers.valkey.url(RESULTS),
            **(worker if process == "worker" else {}),
        }

    def superuser(self, database: str = "hitlportal") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.servers.portal.superuser_dsn(database), autocommit=True)

    def start_web(self) -> None:
        """Start the portal's web process."""
        self._gunicorn("hitlportal.wsgi", self.web_port, self.environment("web"), "web")
        _wait_for(self.web_port, "/account/login/")

    def start_bare(self) -> None:
        """Serve the bare view in the same way."""
        dsn = self.servers.portal.superuser_dsn("bare")
        env = {**self.environment("web"), "BENCHMARK_BARE_DATABASE_URL": dsn}
        self._gunicorn("tests.benchmarks.bare", self.bare_port, env, "bare")
        _wait_for(self.bare_port, "/")

    def start_worker(self, queues: str = "execute,assess", processes: int = 2) -> Child:
        """Start a worker as in the demo; the caller may stop it."""
        argv = [sys.executable, "-m", "celery", "-A", "hitlportal.celery", *WORKER]
        argv += ["--queues", queues, "--concurrency", str(processes), "-n", f"{queues}@%h"]
        return self._spawn(argv, self.environment("worker"), f"worker-{queues}")

    def run_worker(self, module: str) -> str:
        """Run a module with a worker's login and files; return its output."""
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=places.START,
            env=self.environment("worker"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    def _gunicorn(self, module: str, port: int, env: dict[str, str], name: str) -> None:
        argv = [sys.executable, "-m", "gunicorn", module, "--bind", f"{LOOPBACK}:{port}", *WEB]
        self._spawn(argv, env, name)

    def _spawn(self, argv: list[str], env: dict[str, str], name: str) -> Child:
        child = Child(argv, log=self.directory / f"{name}.log", cwd=places.START, env=env)
        self._children.append(child)
        return child


@contextmanager
def house(kind: type[House] = House) -> Iterator[House]:
    """Make a house in a temporary directory and remove it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-benchmark-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    built = kind(directory)
    try:
        built.start()
        yield built
    finally:
        built.stop()
        for server in (built.servers.portal, built.servers.target, built.servers.valkey):
            remove_home(server.home)
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for(port: int, path: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        connection = HTTPConnection(LOOPBACK, port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": "localhost"})
            connection.getresponse().read()
            return
        except OSError as error:
            if time.monotonic() > give_up:
                raise ServerFailed(f"nothing answers on port {port}") from error
            time.sleep(0.05)
        finally:
            connection.close()
