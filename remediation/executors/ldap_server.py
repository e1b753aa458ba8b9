"""Read LDAP's section of the targets file, and open connections to its servers.

[ldap.<directory>]
provider = "ldaps://ldap1.example:636"       read, and written to
replicas = ["ldaps://ldap2.example:636"]     optional: every other server that takes sign-ins
ca_file = "ldap-ca.pem"                      TLS: ldaps or StartTLS; without it only loopback
base = "ou=services,dc=example"              accounts are directly below it
name_attribute = "uid"                       the attribute that names them there
root_dn = "cn=admin,dc=example"              never a target
observe_dn = "cn=hitl-observe,ou=portal,dc=example"
observe_password_file = "ldap-observe.password"
operate_dn = "cn=hitl-operate,ou=portal,dc=example"
operate_password_file = "ldap-operate.password"
environment = "production"                   optional, see targets.py

The rights of both logins stand in docs/ldap.md.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.driver import Places
from remediation.executors.ldap_names import normal, normal_value
from remediation.executors.libraries import LDAP3
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

CONNECT_SECONDS = 3
ANSWER_SECONDS = 5
MOST_SERVERS = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
_SERVER = re.compile(
    r"(?P<scheme>ldaps?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\]):(?P<port>[0-9]{1,5})"
)


class NotOpened(Exception):
    """A server let the worker not in; no request on an entry was sent. Its text quotes nothing."""


@dataclass(frozen=True)
class Login:
    """An entry of the directory that the worker signs in as, and its password."""

    name: str
    password: Secret


@dataclass(frozen=True)
class Directory:
    """The servers with one directory, and the worker's two logins at each."""

    provider: str
    replicas: tuple[str, ...]
    base: str
    name_attribute: str
    root: str
    observer: Login
    operator: Login
    ca_file: Path | None
    environment: str = ""

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.provider, *self.replicas)

    @contextmanager
    def observing(self, server: str) -> Iterator[Any]:
        """Yield a connection that can only read. Raises TargetUnobservable and NotOpened."""
        with self._open(server, self.observer.name, for_observing(self.observer.password)) as it:
            yield it

    @contextmanager
    def operating(self, clearance: Clearance) -> Iterator[Any]:
        """Yield a connection to the provider that can change something.

        Raises ClearanceRefused, CredentialUnavailable and NotOpened.
        """
        secret = for_operating(clearance, self.operator.password)
        with self._open(self.provider, self.operator.name, secret) as it:
            yield it

    @contextmanager
    def _open(self, server: str, name: str, password: str) -> Iterator[Any]:
        connection = _connection(server, name, password, self.ca_file)
        try:
            _sign_in(connection, secured=self.ca_file is not None)
            yield connection
        finally:
            with suppress(Exception):  # the server may have ended it; nothing is left to do
                connection.unbind()
            if connection.socket is not None:  # ldap3 leaves it open when opening failed half-way
                connection.socket.close()


def _connection(server: str, name: str, password: str, ca_file: Path | None) -> Any:
    """Return a connection that is not open yet: one attempt, no referrals, no schema."""
    try:
        import ldap3
    except ImportError as error:
        raise TargetUnobservable(LDAP3.missing) from error
    if not password:  # a bind without one succeeds, as nobody
        raise NotOpened("the password file is empty")
    host = urlsplit(server).hostname
    if ca_file is not None and not ca_file.exists():
        raise NotOpened(f"{ca_file} is not there")
    tls = None
    if ca_file is not None:
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED)
        # ldap3 would compare names by itself, and leave the connection open where they differ.
        tls.wrap_socket = lambda of, do_handshake=True: _secure(of, ca_file, host)
    return ldap3.Connection(
        ldap3.Server(
            server,
            get_info=ldap3.NONE,
            tls=tls,
            connect_timeout=CONNECT_SECONDS,
        ),
        user=name,
        password=password,
        authentication=ldap3.SIMPLE,
        auto_referrals=False,
        check_names=False,
        receive_timeout=ANSWER_SECONDS,
    )


def _secure(connection: Any, ca_file: Path, host: str | None) -> None:
    """Put TLS on a connection. Raises OSError unless the server is the one that was named."""
    context = ssl.create_default_context(cafile=str(ca_file))
    connection.socket = context.wrap_socket(connection.socket, server_hostname=host)


def _sign_in(connection: Any, *, secured: bool) -> None:
    """Open the connection, secure it, then bind. Raises NotOpened."""
    from ldap3.core.exceptions import LDAPException

    try:
        connection.open(read_server_info=False)
        if secured and not connection.server.ssl:
            connection.start_tls(read_server_info=False)
        if secured and not (connection.server.ssl or connection.tls_started):
            raise NotOpened("the server does not take StartTLS")
        if not connection.bind(read_server_info=False):
            raise NotOpened(f"sign-in refused: {connection.result['description']}")
    except (LDAPException, OSError) as error:
        raise NotOpened(type(error).__name__) from None


@dataclass(frozen=True)
class Directories(Places):
    """All directories of a worker, by name."""

    provider: ClassVar[str] = "ldap"
    directories: Mapping[str, Directory]

    def environment(self, target: Target) -> str:
        found = self.directories.get(target.fields["directory"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is a login of this worker there, or the directory's root."""
        at = self.directories.get(target.fields["directory"])
        if at is None:
            return False
        first = normal_value(at.name_attribute, target.fields["account"])
        named = (first, *(normal(at.base) or ()))
        return named in {normal(each) for each in (at.root, at.observer.name, at.operator.name)}


def directory(targets: Targets, name: str) -> Directory:
    """Return a directory. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Directories)
    if places is None or name not in places.directories:
        raise TargetUnobservable(f"this worker has no login for directory {name}")
    return places.directories[name]


def read(section: Section) -> Directories:
    found = section.each(_directory)
    accounts: dict[object, str] = {}
    for name, at in found.items():
        for host in {urlsplit(each).hostname for each in at.servers}:
            # One account must not be two targets.
            key = (host, normal(at.base), normal_value(at.name_attribute, "")[0])
            if accounts.setdefault(key, name) != name:
                raise TargetsFileInvalid(f"ldap {accounts[key]} and {name} have the same accounts")
    return Directories(found)


def _directory(section: Section, name: str) -> Directory:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a directory")
    ca_file = section.path("ca_file") if section.has("ca_file") else None
    replicas = section.texts("replicas") if section.has("replicas") else ()
    servers = (section.text("provider"), *replicas)
    if len(servers) > MOST_SERVERS or len(set(servers)) < len(servers):
        raise TargetsFileInvalid(f"ldap {name}: a server twice, or more than {MOST_SERVERS}")
    for server in servers:
        _refuse_server(server, secured=ca_file is not None, at=f"ldap {name}")
    attribute = section.text("name_attribute")
    if not _ATTRIBUTE.fullmatch(attribute):
        raise TargetsFileInvalid(f"ldap {name}: {attribute!r} is not the name of an attribute")
    return Directory(
        provider=servers[0],
        replicas=servers[1:],
        base=_name(section, "base"),
        name_attribute=attribute,
        root=_name(section, "root_dn"),
        observer=Login(_name(section, "observe_dn"), section.secret("observe_password")),
        operator=Login(_name(section, "operate_dn"), section.secret_file("operate_password")),
        ca_file=ca_file,
        environment=section.environment(),
    )


def _name(section: Section, key: str) -> str:
    name = section.text(key)
    if normal(name) is None:
        raise TargetsFileInvalid(f"{key}: {name!r} is not a name without escapes, as cn=a,dc=b")
    return name


def _refuse_server(server: str, *, secured: bool, at: str) -> None:
    found = _SERVER.fullmatch(server)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise TargetsFileInvalid(f"{at}: {server!r} is not ldap://host:port or ldaps://host:port")
    if not secured and (found["scheme"] == "ldaps" or not is_loopback(found["host"].strip("[]"))):
        raise TargetsFileInvalid(f"{at}: {server} needs ca_file, since a password is sent to it")
