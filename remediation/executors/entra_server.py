"""Read Entra's section of the targets file.

[entra.<tenant>]                          a name of your own for it, in small letters
tenant_id = "<guid>"                      the tenant's id
authority = "https://login.microsoftonline.com"   optional: where apps sign in
graph = "https://graph.microsoft.com/v1.0"        optional: the address of Microsoft Graph
ca_file = "entra-ca.pem"                  optional: the authority of their certificates
observe_client_id = "<guid>"              the app that only reads
observe_key_file = "entra-observe.pem"    its private key (RSA)
observe_certificate_file = "entra-observe.crt"   its certificate, as Entra has it
operate_client_id = "<guid>"              the app that disables and removes
operate_key_file = "entra-operate.pem"
operate_certificate_file = "entra-operate.crt"
simulated = false                         true: the address is a simulator, and pages say so
environment = "production"                optional, see targets.py

The roles of both apps stand in docs/entra.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback
from remediation.executors.driver import Places
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

# Microsoft Graph itself has a service principal in each tenant, and the worker needs it.
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
AUTHORITY, GRAPH = "https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Login:
    """An app with its private key and its certificate."""

    client_id: str
    key: Secret
    certificate: Path

    @property
    def thumbprint(self) -> str:
        """Return the certificate's SHA-256 as the header x5t#S256 has it.

        Raises TargetUnobservable.
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.x509 import load_pem_x509_certificate

        try:
            found = load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError):
            raise TargetUnobservable("the file of an app's certificate has none") from None
        return base64.urlsafe_b64encode(found.fingerprint(SHA256())).decode().rstrip("=")


@dataclass(frozen=True)
class Tenant:
    """A tenant, and the worker's two apps there."""

    name: str
    tenant_id: str
    authority: str
    graph: str
    observer: Login
    operator: Login
    ca_file: Path | None = None
    simulated: bool = False
    environment: str = ""

    @property
    def token_url(self) -> str:
        return f"{self.authority}/{self.tenant_id}/oauth2/v2.0/token"


@dataclass(frozen=True)
class Tenants(Places):
    """All tenants of a worker, by name."""

    provider: ClassVar[str] = "entra"
    tenants: Mapping[str, Tenant]

    def environment(self, target: Target) -> str:
        found = self.tenants.get(target.fields["tenant"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is one of the worker's own apps, a secret of one, or Graph.

        In whatever tenant: an application lies in one, and can sign in at many.
        """
        logins = (login for at in self.tenants.values() for login in (at.observer, at.operator))
        return target.fields["app_id"] in {GRAPH_APP, *(login.client_id for login in logins)}


def read(section: Section) -> Tenants:
    found = section.each(_tenant)
    # A lease is held by name, and a section has its environment: no second name for one place.
    if len({at.tenant_id for at in found.values()}) < len(found):
        raise TargetsFileInvalid("entra: two names for one tenant")
    return Tenants(found)


def tenant(targets: Targets, name: str) -> Tenant:
    """Return a tenant. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Tenants)
    if places is None or name not in places.tenants:
        raise TargetUnobservable(f"this worker has no login in Entra tenant {name}")
    return places.tenants[name]


def _tenant(section: Section, name: str) -> Tenant:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not a name of a tenant, in small letters")
    simulated = section.boolean("simulated") if section.has("simulated") else False
    observer, operator = _login(section, "observe", name), _login(section, "operate", name)
    if observer.client_id == operator.client_id:
        raise TargetsFileInvalid(f"entra {name}: the observer is an app of its own")
    return Tenant(
        name=name,
        tenant_id=_guid(section, "tenant_id", name),
        authority=_address(section, "authority", AUTHORITY, name, simulated),
        graph=_address(section, "graph", GRAPH, name, simulated),
        observer=observer,
        operator=operator,
        ca_file=section.path("ca_file") if section.has("ca_file") else None,
        simulated=simulated,
        environment=section.environment(),
    )


def _login(section: Section, who: str, at: str) -> Login:
    client = _guid(section, f"{who}_client_id", at)
    return Login(client, section.secret_file(f"{who}_key"), section.path(f"{who}_certificate_file"))


def _guid(section: Section, name: str, at: str) -> str:
    found = section.text(name)
    if not _GUID.fullmatch(found):
        raise TargetsFileInvalid(f"entra {at}: {name} is no id, in small letters")
    return found


def _address(section: Section, name: str, usual: str, at: str, simulated: bool) -> str:
    address = section.text(name) if section.has(name) else usual
    try:
        where = urlsplit(address)
        here = is_loopback(where.hostname or "")
        usable = bool(where.hostname) and where.port != 0 and "@" not in where.netloc
    except ValueError:
        where, here, usable = urlsplit(""), False, False
    usable = usable and not where.query and not where.fragment
    if not usable or not (where.scheme == "https" or (where.scheme == "http" and here)):
        raise TargetsFileInvalid(f"entra {at}: {name} is an https address, since logins go there")
    if simulated and not here:
        raise TargetsFileInvalid(f"entra {at}: simulated, but {name} is not on this host")
    return address.rstrip("/")
