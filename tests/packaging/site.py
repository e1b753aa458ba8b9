"""The portal as `docs/operate/install.md` installs it: the wheel, the machine's PostgreSQL and
RabbitMQ, the sample environments, and the processes of the sample units.

Its own: paths below one directory, one account for all processes, connections without TLS, and one
login of the broker.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hitlportal.demo.servers.binaries import PostgresBinaries
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.postgres import NOT_DURABLE, PostgresCluster
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.valkey import ValkeyServer
from remediation.domain.gate.approvers import Approvers
from tests.kills.rabbit import RabbitServer
from tests.packaging.conftest import ROOT

DEPLOY = ROOT / "deploy"
ORIGIN = "portal.example/audit"
TARGETS = '[test]\nfile = "{directory}/calls.jsonl"\nstate_dir = "{directory}/state"\n'
PATIENCE_S = 120.0


class Site:
    """One installation: `etc` and `var` below a directory, and the servers beside them."""

    def __init__(self, directory: Path, installed: Path, postgres: Path) -> None:
        self.etc, self.var, self.bin = directory / "etc", directory / "var", installed
        self._postgres = PostgresBinaries(postgres)
        self.database = self.cluster("portal")
        self.valkey = ValkeyServer(directory / "valkey")
        self.rabbit = RabbitServer(directory / "rabbitmq")
        self.directory, self.web_port = directory, free_port()
        self._running: dict[str, Child] = {}

    def cluster(self, name: str) -> PostgresCluster:
        """Return a cluster of the machine's PostgreSQL; its caller starts it."""
        where = (self.directory if hasattr(self, "directory") else self.etc.parent) / name
        return PostgresCluster(where, binaries=self._postgres, settings=NOT_DURABLE)

    # -- as the page says it ----------------------------------------------------------------------

    def start_servers(self) -> None:
        for server in (self.database, self.valkey, self.rabbit):
            server.start()

    def install(self) -> None:
        """Do the steps 3 to 7 of install.md."""
        self._environments()
        self.logins(self.database)
        self.run("owner", "migrate", "--verbosity", "0")
        self.run("owner", "install_grants")
        self.trust(self.new_key(ORIGIN, "audit.key"))
        (self.etc / "targets").mkdir()
        (self.etc / "targets" / "targets.toml").write_text(TARGETS.format(directory=self.var))
        (self.etc / "approvers").mkdir()
        (self.etc / "approvers" / "approvers.json").write_bytes(Approvers(()).dump())
        self.run("web", "collectstatic", "--noinput", "--verbosity", "0")

    def logins(self, cluster: PostgresCluster) -> None:
        """Make the logins on a cluster, and write the addresses of each process anew."""
        credentials = self.etc / "credentials"
        for address in credentials.glob("*/*DATABASE_URL"):
            address.unlink()
        made = self.command(
            "install_roles",
            *("--passwords", str(credentials / "passwords")),
            *("--credentials", str(credentials)),
            *("--address", f"{LOOPBACK}:{cluster.port}"),
            HITL_SUPERUSER_DATABASE_URL=cluster.superuser_dsn(),
        )
        assert made.returncode == 0, made.stdout + made.stderr

    def new_key(self, origin: str, name: str) -> str:
        """Make a key of the log, and return its vkey."""
        key = self.etc / "keys" / name
        key.parent.mkdir(exist_ok=True)
        said = self.run("owner", "audit_key", "generate", "--origin", origin, "--out", str(key))
        found = re.search(rf"{re.escape(origin)}\+[0-9a-f]{{8}}\+\S+", said)
        assert found is not None, said
        return found[0]

    def trust(self, vkey: str) -> None:
        """Write a policy that trusts this key of the log alone, and no witness."""
        (self.etc / "policy").write_text(f"log {vkey}\nquorum none\n")

    def credential(self, process: str, name: str, value: str) -> None:
        file = self.etc / "credentials" / process / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(value)

    def _environments(self) -> None:
        for sample in (DEPLOY / "env").glob("*.env"):
            text = self.moved(sample.read_text("utf-8"))
            text = text.replace("PGSSLMODE=verify-full", "PGSSLMODE=disable")
            # Nothing listens there, and no name is looked up outside.
            text = text.replace("mail.portal.example", LOOPBACK)
            self.etc.mkdir(exist_ok=True)
            (self.etc / sample.name).write_text(re.sub(r"(?m)^PGSSLROOTCERT=.*\n", "", text))
        for process in ("beat", "sequencer", "worker"):
            (self.var / process).mkdir(parents=True, exist_ok=True)
        key = secrets.token_hex(32)
        for process in ("web", "worker", "owner"):
            self.credential(process, "HITL_SECRET_KEY", key)
            self.credential(process, "HITL_CACHE_URL", self.valkey.url(1))
        for process in ("web", "worker", "owner", "beat"):
            self.credential(process, "HITL_BROKER_URL", self.rabbit.url())

    def moved(self, text: str) -> str:
        """Return a sample with this site's paths."""
        text = text.replace("/etc/hitlportal", str(self.etc))
        text = text.replace("/opt/hitlportal/venv/bin", str(self.bin))
        return text.replace("/var/lib/hitlportal-", f"{self.var}/")

    # -- commands and processes -------------------------------------------------------------------

    def run(self, process: str, *command: str) -> str:
        """Run a command as a process, as `hitlportal-as` does; return what it says."""
        done = self.try_to(process, *command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def try_to(self, process: str, *command: str) -> subprocess.CompletedProcess[str]:
        places = {"HITLPORTAL_ETC": str(self.etc), "HITLPORTAL_BIN": str(self.bin)}
        return self._call([str(DEPLOY / "bin" / "hitlportal-as"), process, *command], places)

    def command(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command that needs no settings of a process."""
        return self._call([str(self.bin / "hitlportal"), *command], settings)

    def _call(
        self, command: list[str], more: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env={**_clean(), **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def start(self, *units: str) -> None:
        """Start processes as their units say, without systemd."""
        for unit in units:
            text = (DEPLOY / "systemd" / f"hitlportal-{unit}.service").read_text("utf-8")
            [line] = re.findall(r"(?m)^ExecStart=(.*)$", text)
            line = self.moved(line).replace("%H", "localhost").replace("8000", str(self.web_port))
            [name] = re.findall(r"(?m)^EnvironmentFile=\S*/(\w+)\.env$", text)
            program, *arguments = shlex.split(line)
            started = [program]
            if not Path(program).exists():  # a script of a locked package
                started = [str(self.bin / "python"), "-m", Path(program).name]
            self._running[unit] = Child(
                [*started, *arguments],
                log=self.directory / f"{unit}.log",
                cwd=self.directory,
                env={**_clean(), **self._environment(name), **self._given(text)},
            )

    def stop(self, *units: str) -> None:
        for unit in units or tuple(self._running):
            self._running.pop(unit).stop(60)

    def stop_all(self) -> None:
        self.stop()
        for server in (self.rabbit, self.valkey, self.database):
            server.stop()

    def alive(self, unit: str) -> bool:
        return self._running[unit].exit_code is None

    def log(self, unit: str) -> str:
        return (self.directory / f"{unit}.log").read_text("utf-8", errors="replace")

    def _environment(self, name: str) -> dict[str, str]:
        """Return what a unit's EnvironmentFile and credentials give."""
        text = (self.etc / f"{name}.env").read_text("utf-8")
        found = dict(re.findall(r"(?m)^(\w+)=(.*)$", text))
        for file in (self.etc / "credentials" / name).iterdir():
            found[f"{file.name}_FILE"] = str(file)
        return found

    def _given(self, unit: str) -> dict[str, str]:
        """Return a unit's Environment= but credentials, which `_environment` gives."""
        lines = re.findall(r"(?m)^Environment=(\w+)=(.*)$", unit)
        return {name: self.moved(value) for name, value in lines if "%d" not in value}


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds. Raises AssertionError that names it."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, what
        time.sleep(0.2)


def _clean() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
