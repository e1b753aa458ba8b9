"""A real sshd as a target, with the worker's two logins, and the world of each action."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from audit.tlog.canonical import Json
from hitlportal.demo.servers.account import clean_environment
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.process import Child
from tests.executors.contract import World
from tests.needs import needs

HOST = "build-1"
ROOT = Path(__file__).parents[2]
DOC, PROGRAM = ROOT / "docs" / "ssh.md", ROOT / "deploy" / "ssh" / "hitl-authorized-keys"
ACCOUNT = pwd.getpwuid(os.geteuid()).pw_name
SSHD = "/usr/sbin/sshd"
CONFIGURATION = """\
Port {port}
Port {own_port}
ListenAddress 127.0.0.1
HostKey {directory}/host.key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys {directory}/authorized_keys2
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
TrustedUserCAKeys {directory}/authorities
MaxAuthTries 50
Match LocalPort {own_port}
    AuthorizedKeysFile {directory}/hitl
"""


class Pair:
    """A key pair: the private key as OpenSSH writes it, the line of the public one."""

    def __init__(self) -> None:
        private = Ed25519PrivateKey.generate()
        self.private = private.private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
        ).decode()
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self.line = public.decode()

    @property
    def fingerprint(self) -> str:
        return str(self.key.fingerprint)

    @property
    def key(self) -> Any:
        from io import StringIO

        return paramiko.Ed25519Key.from_private_key(StringIO(self.private))


def doc_line(of: str) -> str:
    """Return the forced command of a login, as docs/ssh.md has it."""
    found = re.search(
        rf'^restrict,command="sudo -n (.* {of} .*)" KEY', DOC.read_text("utf-8"), re.M
    )
    assert found is not None
    return found[1]


@cache
def program() -> Any:
    """Return the main module; the names of its other modules are too plain to stay."""
    sys.path.insert(0, str(PROGRAM))
    try:
        spec = spec_from_file_location("hitl_authorized_keys", PROGRAM / "__main__.py")
        assert spec is not None and spec.loader is not None
        made = module_from_spec(spec)
        spec.loader.exec_module(made)
    finally:
        sys.path.remove(str(PROGRAM))
        for name in ("files", "lines", "sessions"):
            sys.modules.pop(name, None)
    return made


class SshPlace:
    """The server, its log, and the files of the account that runs the tests.

    The worker's logins have a port of their own instead of an account of their own.
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self.port, self.own_port = directory, free_port(), free_port()
        self.host_key, self.observe, self.operate = Pair(), Pair(), Pair()
        self.files = [directory / "authorized_keys", directory / "authorized_keys2"]
        self.log, self.state = directory / "sshd.log", directory / "state"
        self.state.mkdir(mode=0o700)
        # Installed as on a host: the program keeps compiled files beside it.
        self.program = directory / "hitl-authorized-keys"
        shutil.copytree(PROGRAM, self.program, ignore=shutil.ignore_patterns("__pycache__"))
        self.log.touch()
        self.write("host.key", self.host_key.private)
        self.write("authorities", "")
        self.know(self.host_key)
        ports = {"port": self.port, "own_port": self.own_port}
        self.write("sshd_config", CONFIGURATION.format(**ports, directory=directory))
        self.configure()
        pairs = {"observe": self.observe, "operate": self.operate}
        self.write(
            "hitl",
            "".join(f'restrict,command="{self.command(o)}" {p.line}\n' for o, p in pairs.items()),
        )
        self.child = Child(
            [SSHD, "-D", "-f", directory / "sshd_config", "-E", self.log],
            log=directory / "output", cwd=directory, env=clean_environment(),
        )  # fmt: skip
        self._wait()

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def know(self, key: Pair) -> None:
        """Pin the host's key, for both ports."""
        ports = (self.port, self.own_port)
        self.write("known_hosts", "".join(f"[{LOOPBACK}]:{p} {key.line}\n" for p in ports))

    def configure(self, **changes: object) -> None:
        """Write the program's configuration of docs/ssh.md, with the files of this place."""
        found = re.search(r"```json\n(.*?)```", DOC.read_text("utf-8"), re.S)
        assert found is not None
        config = json.loads(found[1]) | {
            "accounts": {ACCOUNT: [str(path) for path in self.files]},
            "logs": [str(self.log)],
            "ports": [self.port],
            "sshd": [SSHD, "-f", str(self.directory / "sshd_config")],
            "state": str(self.state),
        }
        self.write("config.json", json.dumps(config | changes))

    def command(self, of: str) -> str:
        text = doc_line(of).replace("/usr/bin/python3", sys.executable)
        text = text.replace("/usr/local/libexec/hitl-authorized-keys", str(self.program))
        return text.replace("/etc/hitl-authorized-keys.json", str(self.directory / "config.json"))

    def ask(self, of: str, request: dict[str, Any]) -> dict[str, Any]:
        """Run the program on the host as its administrator, without SSH, in this process.

        Calls of the worker start it as a host does.
        """
        config = json.loads((self.directory / "config.json").read_bytes())
        said = program().answer(of, config, json.loads(json.dumps(request)))
        answer: dict[str, Any] = json.loads(json.dumps(said))
        return answer

    def operators(self) -> int:
        """Return how often the operator's login was let in, from the log of sshd."""
        return self.log.read_text(errors="replace").count(f" {self.operate.fingerprint}\n")

    def connect(self, pair: Pair) -> Any:
        """Sign in with a key. Raises AuthenticationException if sshd does not let it in."""
        client = paramiko.SSHClient()
        client.load_system_host_keys(str(self.directory / "known_hosts"))
        port = self.own_port if pair in (self.observe, self.operate) else self.port
        try:
            client.connect(
                LOOPBACK, port, ACCOUNT, pkey=pair.key, allow_agent=False,
                look_for_keys=False, timeout=10,
            )  # fmt: skip
        except BaseException:
            client.close()
            raise
        return client

    def lets_in(self, pair: Pair) -> bool:
        try:
            self.connect(pair).close()
        except paramiko.AuthenticationException:
            return False
        return True

    def _wait(self) -> None:
        until = time.monotonic() + 20
        while self.child.exit_code is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())


@contextlib.contextmanager
def running() -> Iterator[SshPlace]:
    needs("sshd", Path(SSHD).exists())
    if os.geteuid() == 0:  # what the package's service makes when it starts
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-ssh-"))
    place = SshPlace(directory)
    try:
        yield place
    finally:
        place.child.stop()
        shutil.rmtree(directory)


class SshWorld(World):
    """A key between two others, in the first of two files."""

    def __init__(self, action: str, directory: Path, place: SshPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.pair, self.other = Pair(), Pair()
        self.before = (
            f"# ours\n{self.other.line} other\n{self.pair.line} ci@build\n# end\n".encode()
        )
        for path, raw in zip(place.files, (self.before, b""), strict=True):
            path.write_bytes(raw)
            path.chmod(0o600)
        for path in place.state.iterdir():
            path.unlink()
        (directory / "operate.key").write_text(place.operate.private)
        (directory / "observe.key").write_text(place.observe.private)
        if action.endswith(".restore"):
            place.ask("operate", self.request("remove"))
        self._before = place.operators()

    def request(self, what: str, **more: object) -> dict[str, Any]:
        return {
            "do": what, "account": ACCOUNT, "fingerprint": self.pair.fingerprint,
            "files": [str(path) for path in self.place.files], **more,
        }  # fmt: skip

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "ssh.authorized_key", "host": HOST, "account": ACCOUNT,
            "fingerprint": self.pair.fingerprint,
        }  # fmt: skip

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "fingerprint": f"SHA256:{'b' * 42}A"}

    def toml(self, port: int | None = None) -> str:
        place, files = self.place, json.dumps([str(path) for path in self.place.files])
        return (
            f'[ssh."{HOST}"]\naddress = "{LOOPBACK}:{port or place.own_port}"\n'
            f'known_hosts_file = "{place.directory}/known_hosts"\n'
            f'observe_user = "{ACCOUNT}"\nobserve_key_file = "observe.key"\n'
            f'observe_fingerprint = "{place.observe.fingerprint}"\n'
            f'operate_user = "{ACCOUNT}"\noperate_key_file = "operate.key"\n'
            f'operate_fingerprint = "{place.operate.fingerprint}"\n'
            f'[ssh."{HOST}".accounts]\n"{ACCOUNT}" = {files}\n'
        )

    def look(self) -> object:
        paths = [*self.place.files, *sorted(self.place.state.glob("*.json"))]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def changes(self) -> int:
        return self.place.operators() - self._before
