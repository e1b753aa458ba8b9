"""Run an OpenLDAP server of Debian's package: one database, ppolicy and lastbind, loopback only."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hitlportal.demo.servers import private
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.server import Server
from tests.needs import needs

with warnings.catch_warnings():
    # ldap3 uses names that pyasn1 has renamed, and warns of that once, here.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3
    from ldap3.core.exceptions import LDAPException
    from ldap3.utils.dn import escape_rdn

__all__ = [
    "ADMIN",
    "DATABASE",
    "PPOLICY",
    "SUFFIX",
    "LDAPException",
    "Slapd",
    "escape_rdn",
    "ldap3",
    "required",
]

PROGRAM, LOADER = Path("/usr/sbin/slapd"), Path("/usr/sbin/slapadd")
SUFFIX, ADMIN = "dc=example", "cn=admin,dc=example"
DATABASE = "olcDatabase={1}mdb,cn=config"
PPOLICY = f"olcOverlay={{0}}ppolicy,{DATABASE}"
CONFIGURATION = """\
dn: cn=config
objectClass: olcGlobal
cn: config
olcLogLevel: stats
olcTLSCACertificateFile: {home}/ca.pem
olcTLSCertificateFile: {home}/ca.pem
olcTLSCertificateKeyFile: {home}/ca.key
# Whoever comes by the socket is svc_socket: a sign-in without a password.
olcAuthzRegexp: {{0}}"gidNumber=.*,cn=peercred,cn=external,cn=auth"
  "uid=svc_socket,ou=services,dc=example"

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: back_monitor
olcModuleLoad: ppolicy
olcModuleLoad: lastbind
olcModuleLoad: syncprov

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif

dn: cn=keys,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: keys
olcAttributeTypes: ( 1.3.6.1.4.1.24552.500.1.1.1.13 NAME 'sshPublicKey' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
olcObjectClasses: ( 1.3.6.1.4.1.24552.500.1.1.2.0 NAME 'ldapPublicKey' SUP top AUXILIARY
  MAY ( sshPublicKey $ uid ) )

dn: olcDatabase=frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: frontend

dn: olcDatabase=config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: config
olcRootPW: {password}

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcDbDirectory: {home}/data
olcDbNoSync: TRUE
olcSuffix: dc=example
olcRootDN: cn=admin,dc=example
olcRootPW: {password}
olcLastBind: TRUE
{replica}
dn: olcOverlay=ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
olcPPolicyDefault: cn=default,ou=policies,dc=example

dn: olcOverlay=lastbind,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcLastBindConfig
olcOverlay: lastbind

dn: olcOverlay=syncprov,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: syncprov

dn: olcDatabase=monitor,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMonitorConfig
olcDatabase: monitor
"""
REPLICA = """\
olcSyncrepl: rid=001 provider={url} bindmethod=simple binddn="cn=admin,dc=example"
  credentials={password} searchbase="dc=example" type=refreshAndPersist retry="1 +"
olcUpdateRef: {url}
"""


def required() -> None:
    """Skip the running test, or fail it in CI, without the server's program."""
    needs("slapd", PROGRAM.exists())


class Slapd(Server):
    """One server; with a provider it is a replica of that one."""

    title = "OpenLDAP"
    not_yet = LDAPException

    def __init__(self, home: Path, provider: Slapd | None = None) -> None:
        super().__init__(home, None)
        self.tls_port = free_port()
        self._provider = provider

    @property
    def url(self) -> str:
        return f"ldap://{LOOPBACK}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{LOOPBACK}:{self.tls_port}"

    @property
    def certificate(self) -> Path:
        return self.home / "ca.pem"

    def admin(self) -> Any:
        """Return a connection of the directory's root."""
        return self.connect(ADMIN, self._password)

    def config(self) -> Any:
        """Return a connection that may change the server's configuration."""
        return self.connect("cn=config", self._password)

    def connect(self, name: str, password: str) -> Any:
        """Return a connection that is signed in. Raises LDAPException."""
        server = ldap3.Server(self.url, get_info=ldap3.NONE, connect_timeout=5)
        made = ldap3.Connection(
            server, name, password, auto_referrals=False, check_names=False,
            raise_exceptions=True, receive_timeout=10,
        )  # fmt: skip
        try:
            made.bind()
        except LDAPException:
            if made.socket is not None:
                made.socket.close()
            raise
        return made

    def by_socket(self) -> Any:
        """Return a connection that signed in by SASL EXTERNAL."""
        server = ldap3.Server(f"ldapi://{self._socket.replace('/', '%2F')}", get_info=ldap3.NONE)
        return ldap3.Connection(
            server, authentication=ldap3.SASL, sasl_mechanism="EXTERNAL", sasl_credentials="",
            auto_bind=True, check_names=False,
        )  # fmt: skip

    @property
    def _socket(self) -> str:
        return str(self.home.resolve() / "s")

    def _prepare(self, home: Path) -> None:
        if (home / "cn.config").exists():
            return
        for name in ("cn.config", "data"):
            (home / name).mkdir(mode=0o700)
            self.account.own(home / name, 0o700)
        for name, text in zip(("ca.pem", "ca.key"), _certificate(), strict=True):
            self._own(home / name, text)
        password, replica = self._password, ""
        if self._provider is not None:
            password = self._password = self._provider._password
            replica = REPLICA.format(url=self._provider.url, password=password)
        text = CONFIGURATION.format(home=home, password=password, replica=replica)
        self._own(home / "config.ldif", text)
        loaded = self.account.run(
            [LOADER, "-n0", "-F", home / "cn.config", "-l", home / "config.ldif"], home
        )
        if loaded.returncode:
            raise ServerFailed(loaded.stdout)

    def _own(self, path: Path, text: str) -> None:
        self.account.own(private.write(path, text), 0o600)

    def _argv(self, home: Path) -> Sequence[str | Path]:
        listen = f"{self.url}/ {self.tls_url}/ ldapi://{self._socket.replace('/', '%2F')}"
        return [PROGRAM, "-F", home / "cn.config", "-h", listen, "-d", "stats"]

    def _probe(self) -> None:
        self.config().unbind()

    def changes(self, name: str) -> list[str]:
        """Return the changing calls for an entry in the server's own log."""
        return re.findall(
            rf'^.* (?:MOD|ADD|DEL|MODRDN) dn="{re.escape(name)}"$',
            self.log.read_text(errors="replace"),
            re.M | re.I,
        )


def _certificate() -> tuple[str, str]:
    """Return a certificate for the loopback address that vouches for itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.NameAttribute(
        NameOID.COMMON_NAME, "slapd"
    )  # fmt: skip
    subject, now = x509.Name([name]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private_bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private_bytes.decode()
