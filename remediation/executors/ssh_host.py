"""Read the section of SSH hosts in the targets file, and call the program on a host.

[ssh.<host>]
address = "10.0.0.7:22"
known_hosts_file = "ssh-known_hosts"        with the host's key; no other key is ever taken
observe_user = "hitl-observe"
observe_key_file = "ssh-observe.key"        a private key without a passphrase
observe_fingerprint = "SHA256:…"            of that key
operate_user = "hitl-operate"
operate_key_file = "ssh-operate.key"
operate_fingerprint = "SHA256:…"
environment = "production"                  optional, see targets.py
[ssh.<host>.accounts]
deploy = ["/srv/deploy/.ssh/authorized_keys"]   every file that sshd reads for the account

Both keys are bound to the program of deploy/ssh by a forced command; docs/ssh.md says how.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.addresses import refuse_second_names
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.driver import Places
from remediation.executors.libraries import PARAMIKO
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0  # the program waits for a lock, for sshd -T, and for sessions to end
MOST_ANSWER = 262_144
_HOST = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ADDRESS = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\]):(?P<port>[0-9]{1,5})")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
# The forced command runs whatever stands here.
_COMMAND = "hitl-authorized-keys"


class Broken(Exception):
    """The host was not reached, is another one, or did not answer. `sent`: the request was sent."""

    def __init__(self, words: str, *, sent: bool) -> None:
        super().__init__(words)
        self.sent = sent


@dataclass(frozen=True)
class Login:
    """An account on the host, its private key, and that key's fingerprint."""

    user: str
    key: Secret
    fingerprint: str


@dataclass(frozen=True)
class Host:
    """A host, its pinned key, the worker's two logins, and the files of each account."""

    address: tuple[str, int]
    known_hosts: Path
    observer: Login
    operator: Login
    accounts: Mapping[str, tuple[str, ...]]
    environment: str = ""

    def observe(self, request: Mapping[str, Any]) -> Any:
        """Return the program's answer to a reading request. Raises TargetUnobservable, Broken."""
        return self._ask(self.observer, for_observing(self.observer.key), request)

    def operate(self, clearance: Clearance, request: Mapping[str, Any]) -> Any:
        """Return the answer to a request that may change something.

        Raises ClearanceRefused, CredentialUnavailable and Broken.
        """
        return self._ask(self.operator, for_operating(clearance, self.operator.key), request)

    def _ask(self, login: Login, key: str, request: Mapping[str, Any]) -> Any:
        sent = False
        try:
            with self._open(login, key) as client:
                channel = client.get_transport().open_session(timeout=CONNECT_SECONDS)
                channel.settimeout(ANSWER_SECONDS)
                channel.exec_command(_COMMAND)
                sent = True  # without a request the program does nothing
                channel.sendall(json.dumps(request).encode())
                channel.shutdown_write()
                return json.loads(_read(channel))
        except Broken:
            raise
        except Exception as error:  # paramiko raises OSError, EOFError and classes of its own
            raise Broken(type(error).__name__, sent=sent) from None

    @contextmanager
    def _open(self, login: Login, key: str) -> Iterator[Any]:
        paramiko = _paramiko()
        client = paramiko.SSHClient()
        # paramiko waits for the answer to a command without end, and for each byte anew.
        late = threading.Timer(ANSWER_SECONDS, client.close)
        late.daemon = True
        try:
            client.load_system_host_keys(str(self.known_hosts))
            client.set_missing_host_key_policy(paramiko.RejectPolicy())
            client.connect(
                self.address[0],
                self.address[1],
                username=login.user,
                pkey=_private_key(key, login.fingerprint),
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                allow_agent=False,
                look_for_keys=False,
            )
            late.start()
            yield client
        finally:
            late.cancel()
            client.close()


def _paramiko() -> Any:
    try:
        import paramiko  # extra "ssh"; loaded here because it is slow
    except ImportError:
        raise Broken(PARAMIKO.missing, sent=False) from None
    # Its threads write tracebacks of lost connections.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    return paramiko


def _private_key(text: str, fingerprint: str) -> Any:
    """Return the key that the file promises: `is_own` counts on its fingerprint."""
    paramiko = _paramiko()
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            key = kind.from_private_key(StringIO(text + "\n"))
        except Exception:  # noqa: S112  each class refuses the others' keys in its own way
            continue
        if key.fingerprint != fingerprint:
            raise Broken("the key file has another key than the targets file says", sent=False)
        return key
    raise Broken("the key file has no private key without a passphrase", sent=False)


def _read(channel: Any) -> bytes:
    """Return the answer, whole. Raises Broken if it is too long."""
    found = b""
    while chunk := channel.recv(65_536):
        found += chunk
        if len(found) > MOST_ANSWER:
            raise Broken("the answer is too long", sent=True)
    return found


@dataclass(frozen=True)
class Hosts(Places):
    """All SSH hosts of a worker, by name."""

    provider: ClassVar[str] = "ssh"
    hosts: Mapping[str, Host]

    def environment(self, target: Target) -> str:
        found = self.hosts.get(target.fields["host"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is a key that this worker signs in with, at any host."""
        logins = (login for host in self.hosts.values() for login in (host.observer, host.operator))
        return target.fields["fingerprint"] in {login.fingerprint for login in logins}


def read(section: Section) -> Hosts:
    found = section.each(_host)
    refuse_second_names("ssh", {name: (at.address,) for name, at in found.items()})
    return Hosts(found)


def host(targets: Targets, name: str) -> Host:
    """Return a host. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Hosts)
    if places is None or name not in places.hosts:
        raise TargetUnobservable(f"this worker has no login for SSH host {name}")
    return places.hosts[name]


def _host(section: Section, name: str) -> Host:
    if not _HOST.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a host")
    found = _ADDRESS.fullmatch(section.text("address"))
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise TargetsFileInvalid(f"ssh {name}: address is not host:port")
    accounts = section.section("accounts")
    files = {account: accounts.texts(account) for account in accounts.names()}
    wrong = [path for paths in files.values() for path in paths if not _is_plain(path)]
    if not files or wrong:
        raise TargetsFileInvalid(f"ssh {name}: accounts name their files by whole paths")
    return Host(
        address=(found["name"].strip("[]"), int(found["port"])),
        known_hosts=section.path("known_hosts_file"),
        observer=_login(section, "observe", section.secret("observe_key")),
        operator=_login(section, "operate", section.secret_file("operate_key")),
        accounts=files,
        environment=section.environment(),
    )


def _login(section: Section, of: str, key: Secret) -> Login:
    fingerprint = section.text(f"{of}_fingerprint")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise TargetsFileInvalid(f"ssh: {of}_fingerprint is not SHA256: and 43 characters")
    return Login(section.text(f"{of}_user"), key, fingerprint)


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") and not {"", ".", ".."} & set(parts[1:]) and "\0" not in path
